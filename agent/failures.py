"""How a training can end without a policy, and whose fault that is.

Owns the errors and the reading of an outcome; what becomes of an attempt is for who catches them.
"""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from environments.base import SzilardError
from workspaces.executors.base import Outcome
from workspaces.folders import delete_folder
from workspaces.plain_text import clean

WEIGHTS_FILE = "model.safetensors"
OVERSPENT = "BudgetExceeded"
CHECKED_STEPS = 2
LEAST_FREE_BYTES = 8 * 2**20


class TrainingFailed(SzilardError):
    """The code under research did not leave a policy that can be scored.

    The first line of the message says what happened, the others are the end of the log.
    `early`: it failed within its first two steps, so the researcher may mend it.
    """

    def __init__(self, message: str, *, early: bool) -> None:
        super().__init__(message)
        self.early = early

    @property
    def headline(self) -> str:
        return str(self).partition("\n")[0]


class DiskFull(SzilardError):
    """There is no room to train in, nor to record anything."""


class Untrusted(SzilardError):
    """A measurement exists that cannot be trusted: the attempt is void."""


class StoppedEarly(SzilardError):
    """A training was ended because what it would have scored was foreseen."""


class Cancelled(SzilardError):
    """The run was stopped, or nobody wants to know any more, while this was measured; nothing was stored."""


def raise_failure(outcome: Outcome, folder: Path, steps: int, *, wrote: bool) -> None:
    """Raise what a training's outcome and the files in its folder amount to; nothing if it left a policy.

    `steps` is how many rows its trace has, `wrote` whether it left what is to be scored.

    A training that ran out of disk says nothing about its code. What it wrote is deleted: where that makes
    room it is not to be trusted, else nobody can go on.

    Raises:
        TrainingFailed, DiskFull, Untrusted: it left none.
    """
    early = steps < CHECKED_STEPS
    if outcome.limit is not None and outcome.limit.startswith("CPU time"):
        raise Untrusted(f"Went over its budget: {outcome.limit}")
    if outcome.limit is not None:
        raise TrainingFailed(f"Ended by its limit: {outcome.limit}", early=False)
    if (outcome.exit_code != 0 or not wrote) and _ran_out_of_disk(folder):
        delete_folder(folder / "out")
        if shutil.disk_usage(folder).free < LEAST_FREE_BYTES:
            raise DiskFull(
                f"The disk of {folder} is full. Free some space, then resume the run; nothing is lost."
            )
        raise Untrusted(f"Ran out of disk: {_error_line(last_lines(folder / 'stderr.log'))}")
    if outcome.exit_code != 0:
        last = last_lines(folder / "stderr.log")
        error = _error_line(last)
        if OVERSPENT in error and not early:
            raise Untrusted(f"Went over its budget: {error}")
        told = f"Training ended with exit code {outcome.exit_code}: {error}"
        raise TrainingFailed(f"{told}\n{last}", early=early)
    if not wrote:
        raise TrainingFailed("Training ended with exit code 0 but wrote no policy", early=early)


def _ran_out_of_disk(folder: Path) -> bool:
    """By the room that is left, or by what the training said: it may have been there for a moment only."""
    if shutil.disk_usage(folder).free < LEAST_FREE_BYTES:
        return True
    return os.strerror(errno.ENOSPC).lower() in last_lines(folder / "stderr.log").lower()


def last_lines(path: Path, most: int = 2000) -> str:
    """The end of a log, cleaned."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - most))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return "no log was written"
    return clean(text).strip() or "it printed nothing"


def _error_line(log: str) -> str:
    """The line of a log that names the error: the last one that is not indented."""
    return next((line for line in reversed(log.splitlines()) if line[:1].strip()), log)[:300]
