"""The Landlock tier: for machines that forbid user namespaces. Rules on files and system calls, no namespace.

Owns what this tier lets a job do. Weaker than bubblewrap: a job sees which files of the host exist, their
size and times, and the paths of its own folders; it has no shared memory in /dev/shm and no socket at all.
Changing mode, owner, times or attributes of a file, which Landlock does not cover, does nothing and says that
it worked.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from workspaces.executors.base import Job
from workspaces.sandbox.base import Launch
from workspaces.sandbox.in_place import launch_in_place
from workspaces.sandbox.system_calls import compiled
from workspaces.sandbox.visible import INSIDE, LINKER, SYSTEM, graphics_devices

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
        graphics = graphics_devices(job.device)
        return launch_in_place(
            job,
            (str(INSIDE / "supervise.py"), str(os.getpid())),
            system=("/usr", *SYSTEM, *LINKER, *MACHINE, *(GRAPHICS if graphics else ())),
            devices=[str(node) for node in graphics],
            refused=compiled(namespaces=False),
        )
