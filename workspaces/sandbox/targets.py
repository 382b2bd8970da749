"""What the attacks aim at: files, sockets and a process of the host, made for them and removed again.

Owns the targets and what is seen of them from outside; what the attacks say of themselves is `probe`'s.
"""

from __future__ import annotations

import os
import secrets
import socket
import stat
import subprocess
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "SZILARD_PROBE_API_KEY"
PROTECTED = "REWARD = 'the task'\n"
GIT_LINK = "gitdir: /somewhere\n"
MODE = 0o640


@dataclass(frozen=True)
class Targets:
    """Where they are. `secret` stands in everything that must not be read."""

    folder: Path
    secret: str
    listener: socket.socket
    unix: socket.socket
    abstract: socket.socket
    datagrams: socket.socket
    process: subprocess.Popen[bytes]

    @property
    def workspace(self) -> Path:
        return self.folder / "workspace"

    @property
    def module(self) -> Path:
        """A file beside Python's packages that no import looks for."""
        return Path(sysconfig.get_paths()["purelib"], f"szilard-probe-{self.secret[:8]}.txt")

    def told(self) -> dict[str, object]:
        """What the code inside is told of them."""
        names = ("read", "write", "delete", "move", "mode", "run", "socket")
        return {
            **{name: str(self.folder / name) for name in names},
            "module": str(self.module),
            "variable": VARIABLE,
            "port": self.listener.getsockname()[1],
            "datagrams": self.datagrams.getsockname()[1],
            "abstract": self.abstract.getsockname()[1:].decode(),
            "process": self.process.pid,
        }

    def reached(self, said: dict[str, str]) -> dict[str, bool]:
        """Of each attack that leaves a mark, whether it did."""
        run, tree = self.folder / "run", self.workspace
        git = run / "repository" / ".git"

        def told_the_secret(name: str) -> bool:
            return self.secret in said.get(name, "")

        secret_tellers = (
            "read a file of the host",
            "read the secret that seals the confirmation",
            "list another attempt",
            "open a file by its handle",
            "read the environment of a host process",
            "read a secret in the user's environment",
            "take an open file of a host process",
        )
        return {
            **{name: told_the_secret(name) for name in secret_tellers},
            "write a file of the host": (self.folder / "write").exists(),
            "delete a file of the host": not (self.folder / "delete").exists(),
            "move a file of the host into the output": not (self.folder / "move").exists(),
            "hard-link a file of the host into the output": (self.folder / "read").stat().st_nlink > 1,
            "change the mode of a file of the host": _mode(self.folder / "mode") != MODE,
            "change the ledger's hooks": (git / "hooks" / "post-commit").exists(),
            "change the ledger's configuration": bool((git / "config").read_text()),
            "change the code under research": (tree / "changed").exists(),
            "change a protected file": (tree / "protected.py").read_text() != PROTECTED,
            "plant a conftest.py": (tree / "conftest.py").exists(),
            "plant a sitecustomize.py": (tree / "sitecustomize.py").exists(),
            "shadow a package of ours": (tree / "environments.py").exists(),
            "plant a module beside Python's packages": self.module.exists(),
            "change the work tree's .git": (tree / ".git").read_text() != GIT_LINK,
            "connect to the host's loopback": _was_reached(self.listener),
            "connect to a unix socket of the host": _was_reached(self.unix),
            "connect to an abstract socket of the host": _was_reached(self.abstract),
            "send to the host's loopback": _was_sent_to(self.datagrams),
            "see a process of the host": said.get("see a process of the host") == "got (sleep)",
            "signal a host process": self.process.poll() is not None,
        }


@contextmanager
def targets() -> Iterator[Targets]:
    """Make them, and remove all that is left of them, planted modules too."""
    with ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="szilard-probe-", dir=_short_folder()))
        )
        secret = secrets.token_hex(16)
        _write_files(folder, secret)

        def opened(
            kind: socket.SocketKind, family: socket.AddressFamily, address: tuple[str, int] | str
        ) -> socket.socket:
            one = stack.enter_context(socket.socket(family, kind))
            one.setblocking(False)
            one.bind(address)
            if kind is socket.SOCK_STREAM:
                one.listen()
            return one

        process = subprocess.Popen(
            ["sleep", "60"],
            env={"PATH": "/usr/bin:/bin", "SECRET": secret},
            stdin=stack.enter_context((folder / "read").open("rb")),
        )
        stack.callback(process.wait)
        stack.callback(process.kill)
        stream, datagram = socket.SOCK_STREAM, socket.SOCK_DGRAM
        made = Targets(
            folder,
            secret,
            opened(stream, socket.AF_INET, ("127.0.0.1", 0)),
            opened(stream, socket.AF_UNIX, str(folder / "socket")),
            opened(stream, socket.AF_UNIX, f"\0{folder.name}"),
            opened(datagram, socket.AF_INET, ("127.0.0.1", 0)),
            process,
        )
        stack.callback(made.module.unlink, missing_ok=True)
        with _variable(secret):
            yield made


def _write_files(folder: Path, secret: str) -> None:
    for name in ("read", "delete", "move", "mode"):
        (folder / name).write_text(secret)
    (folder / "mode").chmod(MODE)
    run = folder / "run"
    (run / "repository" / ".git" / "hooks").mkdir(parents=True)
    (run / "repository" / ".git" / "config").touch()
    (run / "run.json").write_text(secret)
    (run / "attempts" / "0001" / secret).mkdir(parents=True)
    for part in ("workspace", "job/out"):
        (folder / part).mkdir(parents=True)
    (folder / "workspace" / "protected.py").write_text(PROTECTED)
    (folder / "workspace" / ".git").write_text(GIT_LINK)


@contextmanager
def _variable(secret: str) -> Iterator[None]:
    os.environ[VARIABLE] = secret
    try:
        yield
    finally:
        del os.environ[VARIABLE]


def _short_folder() -> str | None:
    """A folder whose paths fit a unix socket's 107 bytes, where the usual one is too long."""
    return "/tmp" if len(tempfile.gettempdir()) > 60 else None


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _was_reached(listener: socket.socket) -> bool:
    return _answers(lambda: listener.accept()[0].close())


def _was_sent_to(receiver: socket.socket) -> bool:
    return _answers(lambda: receiver.recv(16))


def _answers(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except BlockingIOError:
        return False
    return True
