"""Whether a run may begin another attempt: what it may spend, has spent, and must keep back for its end.

Owns the comparison; the sums are of `workspaces.spending`, and what is begun is brought to its end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Protocol

from agent.settings import RunSettings
from workspaces.measurements import Measurement
from workspaces.review import spent as words
from workspaces.spending import Spent, cost, read_spent

SCREENED_COMPARATOR = 3
_DECIMALS = {"minutes": 1, "training_seconds": 0, "tokens": 0, "dollars": 3}


class Seconds(Protocol):
    """A clock that counts over all sessions of a run."""

    @property
    def seconds(self) -> float: ...


@dataclass(frozen=True)
class Reserve:
    """Seconds of the clock, and of training, that rounds under way, confirmation and frontier may take."""

    seconds: float
    training_seconds: float


def reserve(each: float, longest: float, closing: int, settings: RunSettings) -> Reserve:
    """What is kept back: `each` training with its scoring took so many seconds, the `longest` training alone.

    `closing` are the trainings of confirmation and frontier.

    Of training seconds the most that the rounds under way can take is kept back: every worker races to the
    last seed, beside a comparator that is measured on none, and each training is as long as the baseline's
    longest.
    """
    rounds = settings.rounds_at_once
    race, screened = rounds * settings.seeds, rounds * settings.workers * (1 + settings.seeds)
    return Reserve(
        seconds=each * (race + closing) / settings.workers,
        training_seconds=longest * (screened + race + SCREENED_COMPARATOR + closing),
    )


def remaining(directory: Path, settings: RunSettings, last: int) -> tuple[str, ...]:
    """What is left of every bound but the attempts, in words.

    Tokens and dollars are those that attempts up to `last` have taken, so that attempts of one round, which
    do not see each other's results, are told the same.
    """
    allowed = settings.allowed
    bounds = {
        name: bound
        for name in ("minutes", "training_seconds", "tokens", "dollars")
        if (bound := getattr(allowed, name)) is not None
    }
    if not bounds:
        return ()
    spent = read_spent(directory, settings.price, last)
    used = {
        "minutes": spent.seconds / 60,
        "training_seconds": spent.training_seconds,
        "tokens": spent.tokens,
        "dollars": float(spent.dollars or 0),
    }
    return tuple(
        f"{max(bound - used[name], 0.0):,.{_DECIMALS[name]}f} of {bound:,.10g} {name.replace('_', ' ')}"
        for name, bound in bounds.items()
    )


def longest_training(baseline: Mapping[int, Measurement]) -> float:
    return max(m.wall_seconds for m in baseline.values())


def seconds_each(baseline: Mapping[int, Measurement]) -> float:
    """Seconds of one training with its scoring."""
    return fmean(m.wall_seconds + m.score_seconds for m in baseline.values())


@dataclass(frozen=True)
class Budget:
    """What one run may spend."""

    directory: Path
    settings: RunSettings
    clock: Seconds
    kept_back: Reserve

    @property
    def spent(self) -> Spent:
        found = read_spent(self.directory, self.settings.price)
        return replace(found, seconds=self.clock.seconds)

    def used_up(self) -> str | None:
        """Why no further attempt may be begun, in one sentence; None while one may."""
        return self.used_up_training() or self._used_up_asking()

    def used_up_training(self) -> str | None:
        """Why what is kept back is no longer there: of the time, or of the training seconds."""
        allowed, kept = self.settings.allowed, self.kept_back
        if allowed.minutes is not None and self.clock.seconds + kept.seconds >= 60 * allowed.minutes:
            return f"the rest of --minutes {allowed.minutes:g} is kept for the confirmation."
        if allowed.training_seconds is None:
            return None
        used = self.spent.training_seconds
        if used + kept.training_seconds <= allowed.training_seconds:
            return None
        return (
            f"{used:.1f} of --training-seconds {allowed.training_seconds:g} are used, and a round with the "
            f"confirmation may take {kept.training_seconds:.1f}."
        )

    def _used_up_asking(self) -> str | None:
        """Why the language model is not asked for another attempt."""
        allowed = self.settings.allowed
        if allowed.tokens is None and allowed.dollars is None:
            return None
        spent = self.spent
        prompt, completion = spent.longest
        if allowed.tokens is not None and spent.tokens + prompt + completion > allowed.tokens:
            return (
                f"{spent.tokens:,} of --tokens {allowed.tokens:,} are used, and an attempt has taken "
                f"{prompt + completion:,}."
            )
        if allowed.dollars is not None and self.settings.price is not None and spent.dollars is not None:
            another = cost(prompt, completion, self.settings.price)
            if float(spent.dollars + another) > allowed.dollars:
                return (
                    f"{spent.dollars.normalize():f} of --dollars {allowed.dollars:g} are used, and an "
                    f"attempt has cost {another.normalize():f}."
                )
        return None

    def told(self, made: int) -> str:
        """What is spent of what is allowed, in one line."""
        return f"Spent: {words.told(self.settings.model_dump(exclude={'secret'}), made, self.spent)}."
