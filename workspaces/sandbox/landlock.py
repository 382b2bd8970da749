"""The Landlock tier: for machines that forbid user namespaces. Rules on files and system calls, no namespace.

Owns what this tier lets a job do. Weaker than bubblewrap: a job sees which files of the host exist, their
size and times, and the paths of its own folders; it has no shared memory in /dev/shm and no socket at all.
Changing mode, owner, times or attributes of a file, which Landlock does not cover, does nothing and says that
it worked.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

from workspaces.executors.base import Job
from workspaces.folders import delete_folder
from workspaces.sandbox.base import Launch, clean_environment, command_of, largest_file, link_paths
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
)

# What libraries ask of the machine; of processes a job sees its first one alone.
MACHINE = (
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/loadavg",
    "/proc/version",
    "/proc/filesystems",
    "/proc/sys/vm/overcommit_memory",
    "/proc/sys/kernel/osrelease",
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",
)
GRAPHICS = ("/proc/driver/nvidia", "/sys")


@dataclass(frozen=True)
class Landlock:
    """Runs a job below a supervisor that outlives all of it."""

    tier: str = "landlock"
    contains: bool = True
    own_processes: int = 1

    def __str__(self) -> str:
        return self.tier

    def launch(self, job: Job) -> Launch:
        shared, library = shared_packages(), lock_library()
        root = link_paths(job, shared)
        scratch = (job.output.parent / "scratch").absolute()
        delete_folder(scratch)
        scratch.mkdir()
        graphics = graphics_devices(job.device)
        read = [
            *("/usr", *SYSTEM, *LINKER, *MACHINE, *(GRAPHICS if graphics else ())),
            *map(str, (*interpreter_folders(), *shared.values(), library)),
            *map(str, (root, job.workspace.resolve(), *(path.resolve() for path in job.inputs.values()))),
        ]
        write = [str(scratch), str(job.output.resolve()), *HARMLESS_DEVICES, *map(str, graphics)]
        words = lock_words(str(library), read, write, compiled(namespaces=False))
        supervisor = (sys.executable, "-I", "-S", str(INSIDE / "supervise.py"), str(os.getpid()))
        environment = clean_environment(
            job, root=str(root), python_path=(f"{root}/szilard",), temporary=str(scratch)
        )
        return Launch(
            (*supervisor, words, str(largest_file(job)), *command_of(job)),
            environment,
            job.workspace.absolute(),
            scratch,
        )
