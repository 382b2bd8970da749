"""What a run has spent, summed from its records.

Owns the sums. The records are written by who spends: a row for every training begun and ended, a row for
every exchange with a language model, and the clock.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

BEGUN_FILE = "trainings.jsonl"
ENDED_FILE = "trained.jsonl"
CLOCK_FILE = "clock.json"
BUDGETS = ("attempts", "minutes", "training_seconds", "tokens", "dollars")
CONVERSATIONS = "attempts/*/conversation.jsonl"
_MILLION = 1_000_000


@dataclass(frozen=True)
class Spent:
    """What was spent so far; `dollars` is None where no price was given.

    `cut_off` counts trainings that a kill ended, or that are under way: their seconds are not known.
    `uncounted` counts replies whose tokens the server did not say. Both are in no sum. `longest` are the
    tokens of prompts and of replies of the attempt that took the most.
    """

    seconds: float
    training_seconds: float
    trainings: int
    cut_off: int
    prompt_tokens: int
    completion_tokens: int
    uncounted: int
    dollars: Decimal | None
    longest: tuple[int, int] = (0, 0)

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


def read_spent(directory: Path, price: tuple[float, float] | None = None, last: int | None = None) -> Spent:
    """Sum the records of a run. `price` are dollars for a million tokens, of prompts and of completions.

    With `last`, only the conversations of attempts up to that number count.
    """
    told = [row.get("seconds") for row in rows_of(directory / ENDED_FILE)]
    ended = [seconds for seconds in told if isinstance(seconds, int | float)]
    begun = sum(1 for _ in rows_of(directory / BEGUN_FILE))
    asked = [
        _asked(path, (path.stat().st_size, path.stat().st_mtime_ns))
        for path in sorted(directory.glob(CONVERSATIONS))
        if last is None or int(path.parent.name) <= last
    ]
    prompt, completion = sum(one.prompt for one in asked), sum(one.completion for one in asked)
    return Spent(
        seconds=_clock(directory / CLOCK_FILE),
        training_seconds=math.fsum(ended),
        trainings=begun,
        cut_off=max(0, begun - len(ended)),
        prompt_tokens=prompt,
        completion_tokens=completion,
        uncounted=sum(one.uncounted for one in asked),
        dollars=cost(prompt, completion, price) if price is not None else None,
        longest=max(((one.prompt, one.completion) for one in asked), key=sum, default=(0, 0)),
    )


@dataclass(frozen=True)
class _Asked:
    """What one conversation took: tokens, and the replies whose tokens nobody counted."""

    prompt: int
    completion: int
    uncounted: int


@lru_cache(maxsize=4096)
def _asked(path: Path, state: tuple[int, int]) -> _Asked:
    """The sums of a conversation, read anew when its size and time change: it holds whole prompts."""
    replied = [row for row in rows_of(path) if row.get("reply") is not None]
    counted = [row for row in replied if is_counted(row)]
    return _Asked(
        sum(row["prompt_tokens"] for row in counted),
        sum(row["completion_tokens"] for row in counted),
        len(replied) - len(counted),
    )


def cost(prompt: int, completion: int, price: tuple[float, float]) -> Decimal:
    """Dollars for so many tokens, exactly."""
    asked, said = (Decimal(str(one)) for one in price)
    return (prompt * asked + completion * said) / _MILLION


def is_counted(row: Mapping[str, Any]) -> bool:
    """Whether the server said how many tokens an exchange took."""
    return all(isinstance(row.get(name), int) for name in ("prompt_tokens", "completion_tokens"))


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file that is appended to; one that a kill has torn is passed over."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict):
                yield row


def _clock(path: Path) -> float:
    try:
        return float(json.loads(path.read_text())["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0
