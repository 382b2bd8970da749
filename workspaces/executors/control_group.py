"""A control group for a job, where this machine lets us make one: the kernel holds memory, counts seconds.

Owns making, reading and removing it, for cgroup v2 (where a parent is delegated to us; not tried on such a
machine yet) and v1 (as root). Where none can be had the executor's watch is all there is, which looks every
0.2 seconds.
"""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from workspaces.executors.base import Limits

MOUNT = Path("/sys/fs/cgroup")
# The kernel counts threads too: this holds what is out of hand before the watch has looked.
THREADS_A_PROCESS = 32
REMOVAL_SECONDS = 2.0
ENTER = 'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs" || exit 1; shift; done; shift; exec "$@"'

_numbers = itertools.count()


@dataclass(frozen=True)
class ControlGroup:
    """Folders of the kernel for memory, processes and seconds, which are one in cgroup v2."""

    memory: Path
    processes: Path
    seconds: Path

    @property
    def folders(self) -> list[Path]:
        return list(dict.fromkeys((self.memory, self.processes, self.seconds)))

    def entering(self, command: tuple[str, ...]) -> tuple[str, ...]:
        """The command, started inside; it does not start if it cannot enter."""
        return ("/bin/sh", "-c", ENTER, "sh", *map(str, self.folders), "--", *command)

    def cpu_seconds(self) -> float:
        """CPU seconds of all that ever ran in it, whether anybody waited for it or not."""
        for name, unit in (("cpuacct.usage", 1e-9), ("cpu.stat", 1e-6)):
            with suppress(OSError, ValueError):
                return int((self.seconds / name).read_text().removeprefix("usage_usec").split()[0]) * unit
        return 0.0

    def ran_out_of_memory(self) -> bool:
        """Whether the kernel has ended a process of it for want of memory."""
        for name in ("memory.events", "memory.oom_control"):
            with suppress(OSError):
                return (
                    re.search(r"^oom_kill [1-9]", (self.memory / name).read_text(), re.MULTILINE) is not None
                )
        return False

    def remove(self) -> None:
        """Take it away once all of its processes are gone; what cannot be removed stays, empty."""
        deadline = time.monotonic() + REMOVAL_SECONDS
        for folder in self.folders:
            while folder.exists() and time.monotonic() < deadline:
                with suppress(OSError):
                    folder.rmdir()
                    break
                time.sleep(0.01)


def make_group(limits: Limits) -> ControlGroup | None:
    """A group with these limits; None where this machine does not let us."""
    return _make(limits) if _can_be_entered() else None


def remove_abandoned() -> None:
    """Take away the groups of coordinators that were killed; those of living ones have processes, or will."""
    for parent in set(_parents() or ()):
        for folder in parent.glob("szilard-*"):
            number = folder.name.split("-")[1]
            if number.isdigit() and not Path(f"/proc/{number}").exists():
                with suppress(OSError):
                    folder.rmdir()


@cache
def _can_be_entered() -> bool:
    """Whether a process of ours gets into a group that we made: making one is not enough."""
    group = _make(Limits(wall_seconds=1))
    if group is None:
        return False
    try:
        return (
            subprocess.run(group.entering(("/bin/sh", "-c", "exit 0")), capture_output=True).returncode == 0
        )
    finally:
        group.remove()


def _make(limits: Limits) -> ControlGroup | None:
    name = f"szilard-{os.getpid()}-{next(_numbers)}"
    most = str(THREADS_A_PROCESS * limits.processes)
    parents = _parents()
    if parents is None:
        return None
    made = ControlGroup(*(parent / name for parent in parents))
    try:
        for folder in made.folders:
            folder.mkdir()
        for limit in ("memory.max", "memory.limit_in_bytes"):
            if (made.memory / limit).exists():
                (made.memory / limit).write_text(str(limits.memory_bytes))
        for limit, value in (("memory.swap.max", "0"), ("memory.oom.group", "1")):
            if (made.memory / limit).exists():
                (made.memory / limit).write_text(value)
        (made.processes / "pids.max").write_text(most)
    except OSError:
        made.remove()
        return None
    return made


def _parents() -> tuple[Path, Path, Path] | None:
    """The folders below which groups for memory, processes and seconds can be made, if all are there."""
    groups = dict(_own_groups())
    wanted = ("memory", "pids", "cpuacct")
    if set(wanted) <= groups.keys():
        memory, processes, seconds = (MOUNT / name / groups[name] for name in wanted)
        return memory, processes, seconds
    if "" in groups:
        # Our own group has processes, so that its children may have no controllers: its parent's may.
        parent = (MOUNT / groups[""]).parent
        with suppress(OSError):
            given = (parent / "cgroup.subtree_control").read_text().split()
            if parent.is_relative_to(MOUNT) and {"memory", "pids"} <= set(given):
                return parent, parent, parent
    return None


def _own_groups() -> Iterator[tuple[str, str]]:
    """Controller -> path of our own group below its mount; "" stands for cgroup v2."""
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            for controller in controllers.split(","):
                yield controller, path.lstrip("/")
