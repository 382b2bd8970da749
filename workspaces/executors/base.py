"""What an executor is: where the training command of an attempt runs, and how it ends.

Owns the records of a job; each executor beside this file owns one way of running it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Limits:
    """What ends a job: seconds of wall and CPU time, bytes written to logs and output, processes."""

    wall_seconds: float
    cpu_seconds: float | None = None
    output_bytes: int = 64 * 2**20
    processes: int = 64
    memory_bytes: int = 8 * 2**30


@dataclass(frozen=True)
class Job:
    """One command over one work tree. Jobs may run twice: an outcome is files in `output`.

    Inside the sandbox: /workspace (read-only), /out (writable, `output`), and `inputs`, a map of
    inside path -> outside path, bound read-only. `device` is "cpu" or "cuda:N".
    """

    name: str
    workspace: Path
    output: Path
    command: tuple[str, ...]
    limits: Limits
    inputs: Mapping[str, Path] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    device: str = "cpu"


@dataclass(frozen=True)
class Outcome:
    """How a job ended. `limit` names the limit that ended it, None where none did."""

    exit_code: int | None
    wall_seconds: float
    cpu_seconds: float
    limit: str | None = None
    cancelled: bool = False


class Executor(Protocol):
    """Runs jobs, at most `workers` at once; every method may be called from any thread."""

    def submit(self, job: Job) -> str:
        """Queue a job and return its handle."""

    def wait(self, handle: str) -> Outcome:
        """Block until the job has ended."""

    def cancel(self, handle: str) -> None:
        """End the job and everything that it started."""

    def close(self) -> None:
        """Cancel what still runs and let no process survive."""
