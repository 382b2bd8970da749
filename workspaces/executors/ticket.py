"""A job on its way through an executor: what it has used so far, and which of its limits that exceeds.

Owns the counting and the words of a limit; who ends a job is its executor.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from workspaces.executors.base import Job, Outcome
from workspaces.executors.control_group import ControlGroup
from workspaces.executors.process_table import Process, descendants, open_unlinked
from workspaces.folders import bytes_below


@dataclass(eq=False)
class Ticket:
    """A job on its way; guarded by the executor's lock but for `ended`, which is set once."""

    job: Job
    ended: threading.Event = field(default_factory=threading.Event)
    outcome: Outcome | None = None
    error: Exception | None = None
    process: int | None = None
    scratch: Path | None = None
    group: ControlGroup | None = None
    started: float = 0.0
    cpu_seconds: float = 0.0
    limit: str | None = None
    cancelled: bool = False
    told: bool = False


def exceeded(ticket: Ticket, processes: int, resident: int) -> str | None:
    """The limit that a job exceeds with so many processes and `resident` bytes of memory; None for none."""
    limits = ticket.job.limits
    if time.monotonic() - ticket.started > limits.wall_seconds:
        return f"wall time {limits.wall_seconds:g} s"
    if limits.cpu_seconds is not None and ticket.cpu_seconds > limits.cpu_seconds:
        return cpu_limit(ticket.job)
    if processes > limits.processes:
        return f"processes {limits.processes}"
    if resident > limits.memory_bytes or (ticket.group is not None and ticket.group.ran_out_of_memory()):
        return memory_limit(ticket.job)
    return None


def cpu_seconds_counted(ticket: Ticket) -> float:
    """CPU seconds by the kernel's own count, where it counts."""
    return ticket.group.cpu_seconds() if ticket.group is not None else 0.0


def cpu_limit(job: Job) -> str:
    return f"CPU time {job.limits.cpu_seconds:g} s"


def memory_limit(job: Job) -> str:
    return f"memory {_size(job.limits.memory_bytes)}"


def output_limit(job: Job) -> str:
    return f"output {_size(job.limits.output_bytes)}"


def _size(count: int) -> str:
    for unit, name in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if count >= unit:
            return f"{count / unit:.4g} {name}"
    return f"{count} bytes"


def log_files(job: Job) -> tuple[Path, Path]:
    """Where standard output and standard error go."""
    return job.output.parent / "stdout.log", job.output.parent / "stderr.log"


def bytes_written(job: Job, scratch: Path | None) -> int:
    """Bytes of logs, output and `scratch`, the sandbox's own folder."""
    total = 0
    for log in log_files(job):
        with suppress(OSError):
            total += log.stat().st_size
    return total + sum(bytes_below(folder) for folder in (job.output, scratch) if folder is not None)


def bytes_unlinked(ticket: Ticket, table: Mapping[int, Process]) -> int:
    """Bytes on the disk of the output in files that have no name any more, but are open."""
    if ticket.process is None:
        return 0
    disk = os.stat(ticket.job.output).st_dev
    below = (process.number for process in descendants(table, [ticket.process]))
    return sum(open_unlinked(number, disk) for number in (ticket.process, *below))
