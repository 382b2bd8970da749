"""Does a sandbox hold here? Real attacks from inside, judged from outside.

Owns the targets of the attacks and the judgement; which tier is taken is decided by the package.
"""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from workspaces.executors.base import Job, Limits
from workspaces.sandbox.base import Sandbox

SECONDS = 20.0


@dataclass(frozen=True)
class ProbeResult:
    """One attack: was it blocked, and what did it say. An attack that did not run is not blocked."""

    name: str
    blocked: bool
    detail: str


def probe(sandbox: Sandbox) -> list[ProbeResult]:
    """Attack the host from inside `sandbox`; the tier holds if every result is blocked.

    The last result, "run at all", is blocked only if the sandbox started and could write its output.
    """
    with (
        tempfile.TemporaryDirectory(prefix="szilard-probe-", dir=_short_folder()) as folder,
        _targets(Path(folder)) as targets,
    ):
        workspace, output = Path(folder, "workspace"), Path(folder, "out")
        workspace.mkdir()
        output.mkdir()
        target = {name: str(Path(folder, name)) for name in ("read", "write", "socket")}
        arguments = json.dumps({"target": target, "port": targets.port, "process": targets.process.pid})
        source = Path(__file__).with_name("attacks.py").read_text()
        job = Job(
            name="probe",
            workspace=workspace,
            output=output,
            command=("python", "-I", "-S", "-c", source, arguments),
            limits=Limits(wall_seconds=SECONDS),
        )
        said, failure = _run(sandbox, job)
        succeeded = {
            "write a file of the host": Path(target["write"]).exists(),
            "read a file of the host": targets.secret in said.get("read a file of the host", ""),
            "connect to the host's loopback": _was_reached(targets.network),
            "connect to a unix socket of the host": _was_reached(targets.unix),
            "read the environment of a host process": targets.secret
            in said.get("read the environment of a host process", ""),
            "signal a host process": said.get("signal a host process", "").startswith("got")
            or targets.process.poll() is not None,
            "change the code under research": (workspace / "changed").exists(),
            "change a kernel setting": said.get("change a kernel setting", "").startswith("got"),
        }
        results = [
            ProbeResult(name, name in said and not success, said.get(name, "did not run"))
            for name, success in succeeded.items()
        ]
        ran = (output / "written").exists()
        return [
            *results,
            ProbeResult("run at all", ran, failure or said.get("write the output", "did not run")),
        ]


def _short_folder() -> str | None:
    """A folder whose paths fit a unix socket's 107 bytes, where the usual one is too long."""
    return "/tmp" if len(tempfile.gettempdir()) > 60 else None


@dataclass(frozen=True)
class _Targets:
    secret: str
    network: socket.socket
    unix: socket.socket
    process: subprocess.Popen[bytes]

    @property
    def port(self) -> int:
        return int(self.network.getsockname()[1])


@contextmanager
def _targets(folder: Path) -> Iterator[_Targets]:
    secret = secrets.token_hex(16)
    (folder / "read").write_text(secret)
    with socket.create_server(("127.0.0.1", 0)) as network, socket.socket(socket.AF_UNIX) as unix:
        network.setblocking(False)
        unix.setblocking(False)
        unix.bind(str(folder / "socket"))
        unix.listen()
        process = subprocess.Popen(["sleep", "60"], env={"PATH": "/usr/bin:/bin", "SECRET": secret})
        try:
            yield _Targets(secret, network, unix, process)
        finally:
            process.kill()
            process.wait()


def _run(sandbox: Sandbox, job: Job) -> tuple[dict[str, str], str]:
    launch = sandbox.launch(job)
    try:
        ended = subprocess.run(
            launch.arguments,
            env=dict(launch.environment),
            cwd=launch.directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        said: dict[str, str] = json.loads(ended.stdout)
    except subprocess.TimeoutExpired:
        return {}, f"no end after {SECONDS:.0f} s"
    except OSError as error:
        return {}, f"{launch.arguments[0]}: {error.strerror}"
    except json.JSONDecodeError:
        return {}, ended.stderr.strip() or f"exit code {ended.returncode}"
    return said, ""


def _was_reached(listener: socket.socket) -> bool:
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True
