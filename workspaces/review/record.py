"""What a run left on disk, read for review: ledger, baseline, confirmation and state.

Owns reading only; it never writes, so reviewing a run that is under way is safe.
"""

from __future__ import annotations

import fcntl
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from environments.base import SzilardError
from workspaces.attempt_index import read_indexed_attempts
from workspaces.attempts import AttemptRecord
from workspaces.plain_text import one_line

BASELINE_FILE = "baseline.json"
CONFIRMATION_FILE = "confirmation.json"
_BASELINE_KEYS = {"score", "standard_error", "noise", "entropy_end", "seeds"}
_CONFIRMATION_KEYS = {"baseline", "winner", "change", "interval", "frontier"}
UNSUITABLE_FILE = "unsuitable.json"
ASSESSMENT_FILE = "assessment.json"
LOCK_FILE = "lock"
INBOX = "inbox"
VERDICTS = ("kept", "reverted", "inconclusive", "void", "crashed", "stopped-early", "refused")

State = Literal["running", "finished", "interrupted", "unsuitable"]

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


class UnreadableRun(SzilardError):
    """A file of a run that cannot be read, or an attempt that it does not have."""


@dataclass(frozen=True)
class RunRecord:
    """One run; what was not measured yet is None.

    `settings` is run.json without its secret; `incumbent` is an attempt, 0 the baseline. `baseline_seeds` are
    (measured, wanted) while the baseline is under way, None afterwards.
    """

    directory: Path
    settings: Mapping[str, Any]
    state: State
    attempts: tuple[AttemptRecord, ...]
    baseline: Mapping[str, Any] | None
    confirmation: Mapping[str, Any] | None
    incumbent: int
    baseline_seeds: tuple[int, int] | None = None

    @property
    def maximise(self) -> bool:
        return bool(self.settings["direction"] == "maximise")

    @property
    def extensions(self) -> Sequence[Mapping[str, Any]]:
        """How the run was given more after it had ended, oldest first."""
        return self.settings.get("extensions") or ()

    @property
    def attempts_allowed(self) -> int:
        return int(self.extensions[-1]["attempts"] if self.extensions else self.settings["attempts"])

    def verdicts(self) -> dict[str, int]:
        """How many attempts came to each verdict, in the order of the vocabulary."""
        found = [attempt.verdict for attempt in self.attempts if attempt.number > 0]
        return {verdict: found.count(verdict) for verdict in VERDICTS if verdict in found}

    def in_flight(self) -> list[int]:
        """Attempts without a verdict."""
        return [attempt.number for attempt in self.attempts if attempt.number > 0 and attempt.verdict is None]

    def attempt(self, number: int) -> AttemptRecord:
        """One attempt.

        Raises:
            UnreadableRun: the run has no such attempt.
        """
        for attempt in self.attempts:
            if attempt.number == number:
                return attempt
        last = max((attempt.number for attempt in self.attempts), default=0)
        has = f"attempts 1 to {last}" if last else "no attempts yet"
        raise UnreadableRun(
            f"{self.directory.name} has no attempt {number}: it has {has}. "
            f"List them with `szilard log {self.directory}`."
        )


@dataclass(frozen=True)
class Figures:
    """The figures of one result commit; None where the attempt never got that far.

    `score`, `standard_error`, `change` and `interval` are in units of the metric, `entropy` in nats a token;
    `seeds` counts the seeds that were measured, the screening seed included.
    """

    score: float | None
    standard_error: float | None
    change: float | None
    interval: tuple[float, float] | None
    entropy_start: float | None
    entropy: float | None
    seeds: int | None
    seconds: float | None
    compared_with: int | None


def figures(attempt: AttemptRecord) -> Figures:
    """Read the figures from the trailers of an attempt."""

    def numbers(name: str) -> list[float]:
        return [float(number) for number in _NUMBER.findall(attempt.trailers.get(name, ""))]

    def first(name: str) -> float | None:
        found = _NUMBER.search(attempt.trailers.get(name, ""))
        return float(found[0]) if found else None

    interval = numbers("Score-Change-Interval")
    return Figures(
        score=first("Score"),
        standard_error=first("Score-Standard-Error"),
        change=first("Score-Change"),
        interval=(interval[0], interval[1]) if len(interval) == 2 else None,
        entropy_start=first("Entropy-Start"),
        entropy=first("Entropy-End"),
        seeds=len(numbers("Seeds")) or None,
        seconds=first("Train-Seconds"),
        compared_with=_attempt_number(attempt.trailers.get("Compared-With", "")),
    )


def read_attempts(directory: Path) -> tuple[tuple[AttemptRecord, ...], int]:
    """The attempts of a run, and the number of the incumbent, 0 the baseline.

    Raises:
        LedgerError: there is a repository, but it is not a ledger.
    """
    repository = directory / "repository"
    if not repository.exists():
        return (), 0
    attempts, incumbent = read_indexed_attempts(repository / ".git") or _read_ledger(repository)
    commits = {name: attempt.number for attempt in attempts for name in _commits(attempt)}
    return tuple(attempts), commits.get(incumbent, 0)


def _read_ledger(repository: Path) -> tuple[list[AttemptRecord], str]:
    from workspaces.ledger import Ledger

    ledger = Ledger.open(repository)
    return ledger.attempts(), ledger.incumbent()


def read_run(
    directory: Path,
    settings: Mapping[str, Any],
    baseline_seeds: int | None = None,
    recorded: tuple[tuple[AttemptRecord, ...], int] | None = None,
) -> RunRecord:
    """Read a run whose run.json says `settings`; a secret among them is dropped.

    `baseline_seeds` is on how many seeds the baseline is measured, None where it does not matter; `recorded`
    is what `read_attempts` gives, where it was asked before.

    Raises:
        UnreadableRun: baseline.json or confirmation.json is damaged.
        LedgerError: there is a repository, but it is not a ledger.
    """
    attempts, incumbent = recorded if recorded is not None else read_attempts(directory)
    baseline = _read_json(directory / BASELINE_FILE)
    if baseline is not None and not baseline.keys() >= _BASELINE_KEYS:
        raise UnreadableRun(
            f"{directory / BASELINE_FILE} is damaged (it is no baseline). Move it away and run "
            f"`szilard resume {directory}`: it is written again from the measurements."
        )
    under_way = None
    if baseline is None and baseline_seeds is not None:
        measured = sum(map(_is_of_selection, (directory / "measurements").glob("*.json")))
        under_way = (min(measured, baseline_seeds), baseline_seeds)
    confirmed = (directory / CONFIRMATION_FILE).exists()
    written = [*sorted(directory.glob("confirmation-*.json")), directory / CONFIRMATION_FILE]
    confirmation = next((found for path in reversed(written) if (found := read_confirmation(path))), None)
    return RunRecord(
        directory=directory,
        settings={name: value for name, value in settings.items() if name != "secret"},
        state=_state(directory, confirmed),
        attempts=attempts,
        baseline=baseline,
        confirmation=confirmation,
        incumbent=incumbent,
        baseline_seeds=under_way,
    )


def _is_of_selection(path: Path) -> bool:
    """Whether a file is the measurement of a whole training on the selection tasks, not of a snapshot."""
    data = _read_json(path)
    return data is not None and data.get("key", {}).get("split") == "selection"


def _commits(attempt: AttemptRecord) -> tuple[str, ...]:
    return tuple(name for name in (attempt.code_commit, attempt.result_commit) if name is not None)


def _state(directory: Path, confirmed: bool) -> State:
    if confirmed:
        return "finished"
    try:
        with (directory / LOCK_FILE).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return "running"
    except OSError:
        return "interrupted"
    return "unsuitable" if (directory / UNSUITABLE_FILE).exists() else "interrupted"


def _read_json(path: Path) -> Mapping[str, Any] | None:
    try:
        data = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UnreadableRun(
            f"{path} is damaged ({one_line(str(error))}). Move it away and run "
            f"`szilard resume {path.parent}`: it is written again from the measurements."
        ) from error
    if not isinstance(data, dict):
        raise UnreadableRun(f"{path} is damaged (it is no JSON object). Move it away and resume the run.")
    return data


def read_confirmation(path: Path) -> Mapping[str, Any] | None:
    """One record of a confirmation; None where there is no such file.

    Raises:
        UnreadableRun: it is damaged.
    """
    found = _read_json(path)
    winner = found.get("winner") if found is not None else None
    whole = found is None or (found.keys() >= _CONFIRMATION_KEYS and isinstance(winner, dict | None))
    if whole and (winner is None or "attempt" in winner):
        return found
    raise UnreadableRun(f"{path} is damaged (it is no confirmation). Move it away and resume the run.")


def _attempt_number(text: str) -> int | None:
    if text == "baseline":
        return 0
    match = re.search(r"\d+", text)
    return (
        int(match.group()) if match and re.fullmatch(r"(?:attempts?[ /])?0*\d{1,6}", text.strip()) else None
    )
