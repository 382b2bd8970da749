"""What is compared: arms of scores, the rules of a run, and differences paired by seed and task.

Owns pairing and guards; what follows from a difference is said in `decision` and `winner`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from environments.base import Score, SzilardError
from evaluators.significance import CrossedInterval, crossed_interval
from workspaces.review.text import signed as signed

LEVEL = 0.95


class InvalidComparison(SzilardError):
    """Two arms cannot be compared: a seed, a metric or a task is missing on one side."""


class GuardRule(Protocol):
    """A metric that must not be worse than the baseline's by more than `tolerance`."""

    @property
    def metric(self) -> str: ...
    @property
    def tolerance(self) -> float: ...


class Rules(Protocol):
    """What a run optimises; both an environment's spec and a run's settings say so."""

    @property
    def metric(self) -> str: ...
    @property
    def direction(self) -> str: ...
    @property
    def guards(self) -> Sequence[GuardRule]: ...
    @property
    def minimum_effect(self) -> float: ...


@dataclass(frozen=True)
class Arm:
    """The scores of one code on one split: seed index -> score."""

    scores: Mapping[int, Score]


@dataclass(frozen=True)
class GuardResult:
    """A guard against the baseline: it holds where its one-sided lower bound stays within its tolerance.

    `standard_error`, `lower_bound` and `holds` are None on one seed.
    """

    metric: str
    tolerance: float
    change: float
    standard_error: float | None
    lower_bound: float | None
    holds: bool | None


def guard_result(guard: GuardRule, change: float, error: float, bound: float) -> GuardResult:
    return GuardResult(guard.metric, guard.tolerance, change, error, bound, bound > -guard.tolerance)


def guard_sentence(guard: GuardResult) -> str:
    bound = "" if guard.lower_bound is None else f" (at worst {signed(guard.lower_bound)})"
    return f"guard {guard.metric} is {signed(guard.change)}{bound}, {-guard.tolerance:+g} is allowed"


def paired_changes(arm: Arm, other: Arm, metric: str, seeds: Sequence[int]) -> list[float]:
    return [value_of(arm, seed, metric) - value_of(other, seed, metric) for seed in seeds]


def value_of(arm: Arm, seed: int, metric: str) -> float:
    if seed not in arm.scores:
        raise InvalidComparison(f"seed {seed} is missing on one side of a comparison; measure it first")
    score = arm.scores[seed]
    if metric not in score.metrics:
        known = ", ".join(score.metrics)
        raise InvalidComparison(f"the score of seed {seed} has no metric {metric}; it has {known}")
    return score.metrics[metric].value


def crossed(arm: Arm, other: Arm, metric: str, seeds: Sequence[int], level: float) -> CrossedInterval:
    changes = paired_changes(arm, other, metric, seeds)
    if not all(math.isfinite(change) for change in changes):
        raise InvalidComparison(f"{metric} is not a number on one of the seeds {list(seeds)}")
    ours = [arm.scores[seed].metrics[metric] for seed in seeds]
    theirs = [other.scores[seed].metrics[metric] for seed in seeds]
    if any(mine.cluster != yours.cluster for mine, yours in zip(ours, theirs, strict=True)):
        raise InvalidComparison(f"{metric} was scored on other tasks in the two arms; they cannot be paired")
    if not all(len(mine.per_task) == len(ours[0].cluster) > 0 for mine in ours):
        return crossed_interval([[change] for change in changes], ["all"], level)
    rows = [
        [mine - yours for mine, yours in zip(a.per_task, b.per_task, strict=True)]
        for a, b in zip(ours, theirs, strict=True)
    ]
    return crossed_interval(rows, [list(mine.cluster) for mine in ours], level)
