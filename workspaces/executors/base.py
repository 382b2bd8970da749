"""What an executor is: where the training command of an attempt runs, and how it ends.

Owns the records of a job; each executor beside this file owns one way of running it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from environments.base import SzilardError


class ExecutorError(SzilardError):
    """A job could not be started or looked after; says nothing about the code that was to run."""


@dataclass(frozen=True)
class Limits:
    """What ends a job.

    Seconds of wall and of CPU time of everything that the job started, bytes in logs and output
    together (a file counts at least 512), processes alive at once, resident bytes of all of them.
    """

    wall_seconds: float
    cpu_seconds: float | None = None
    output_bytes: int = 64 * 2**20
    processes: int = 64
    memory_bytes: int = 8 * 2**30


@dataclass(frozen=True)
class Job:
    """One command over one work tree. Jobs may run twice: an outcome is files in `output`.

    Inside the sandbox: /workspace (read-only), /out (writable, `output`), and `inputs`, a map of
    inside path -> outside path, bound read-only; each path is below what the environment variable
    SZILARD_ROOT says (empty in a sandbox that has a file system of its own). `output` is emptied
    before the job starts and holds nothing but plain files and folders after it ended; stdout.log
    and stderr.log are written beside it. A first word "python" means the interpreter that runs us.
    `device` is "cpu", or "cuda" for any of the executor's, or "cuda:N".
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
    """How a job ended.

    `exit_code` is the command's own (128 + N after signal N), None where the executor ended it.
    `limit` names the limit that was exceeded ("wall time 30 s"), None where none was.
    """

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
        """Block until the job has ended; later calls return the same outcome again.

        Raises:
            ExecutorError: the job could not be started.
        """

    def cancel(self, handle: str) -> None:
        """End the job and everything that it started; one that waits in the queue never starts."""

    def close(self) -> None:
        """Cancel what still runs and let no process survive."""
