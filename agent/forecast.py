"""Stop hopeless attempts early, by forecasting the score from snapshots of their policy.

Owns the rule and its calibration; snapshots are made, scored and stored elsewhere.

The attempts of the run that were trained to their end say how far a snapshot lags behind its comparator's
for a given change on the screening seed: straight lines with normal errors, of one slope, and each at the
height of its comparator, whose own luck is in all that is held against it. An attempt is hopeless whose
snapshot lags further than that of one worth keeping would in all but `CHANCE` of all cases, shared among
the snapshots. Worth keeping is a gain that the run's seeds show four times in five (of 2.5 seed deviations,
where that is less), if it passes screening: its change on the screening seed is that gain and the noise of a
screening, cut off at the bar. The entropy law has no say, since it foresees the training reward and would
stop those who win late by keeping entropy.

Attempts that were stopped are not seen again, so every tenth attempt is trained to its end whatever is
foreseen; and the rule is off as long as it would have stopped too many of those that reached the gain.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from agent.decision import ENTERS_WITH, SCREENING_DEVIATION
from evaluators.parallel_lines import fit_parallel
from evaluators.prediction import lower_prediction_bound

SHARES = (0.2, 0.4)
CHANCE = 0.05
LEAST_SEEN = 6
LEAST_BESIDE = 2
AUDITED = 10
_DOUBT = 0.1
_MOST_GAIN = 2.5
_REACH = 4.0
_PLACES = 80


@dataclass(frozen=True)
class Completed:
    """An attempt trained to its end, in units of the metric; positive is better.

    `snapshots` maps optimiser updates to the change of the snapshot against the comparator's, `screening` is
    the change by which screening went, `comparator` the attempt that both are against.
    """

    snapshots: Mapping[int, float]
    screening: float
    comparator: int


@dataclass(frozen=True)
class Forecast:
    """What a snapshot foretells: the change on the screening seed, and the error of one such forecast."""

    change: float
    error: float


def updates_of(budget: int) -> tuple[int, ...]:
    """After how many of `budget` optimiser updates a training leaves a snapshot; of none, it leaves none."""
    if not budget:
        return ()
    return tuple(dict.fromkeys(max(1, round(share * budget)) for share in SHARES))


def is_audited(number: int) -> bool:
    """Whether an attempt is trained to its end whatever is foreseen."""
    return number % AUDITED == 0


@dataclass(frozen=True)
class WorthKeeping:
    """What the screening seed shows of an attempt that is worth keeping, in units of the metric.

    `gain` is what the run's seeds can show, `deviation` the noise of a screening, `bar` what passes it.
    """

    gain: float
    deviation: float
    bar: float

    @classmethod
    def at(cls, gain: float, noise: float) -> WorthKeeping:
        """A gain, where the seed standard deviation of the metric is `noise`, by the rule of `decision`.

        Few seeds show large gains only, and smaller ones are worth keeping all the same: no more than
        `_MOST_GAIN` deviations are asked for.
        """
        return cls(min(gain, _MOST_GAIN * noise), SCREENING_DEVIATION * noise, ENTERS_WITH * noise)

    def screenings(self) -> tuple[list[float], list[float]]:
        """Changes on the screening seed, and how likely each is."""
        low = min(max(self.bar, self.gain - _REACH * self.deviation), self.gain)
        changes = np.linspace(low, self.gain + _REACH * self.deviation, _PLACES)
        weights = np.exp(-0.5 * ((changes - self.gain) / max(self.deviation, 1e-12)) ** 2)
        return changes.tolist(), weights.tolist()


def least_hopeful(
    completed: Sequence[Completed], comparator: int, updates: int, worth: WorthKeeping
) -> float | None:
    """The change of a snapshot below which an attempt is hopeless; None while too little was seen."""
    seen = _seen(completed, comparator, updates)
    if seen is None:
        return None
    early, final = [one.snapshots[updates] for one in seen], [one.screening for one in seen]
    lines = fit_parallel(final, early, [one.comparator for one in seen])
    changes, weights = worth.screenings()
    return lower_prediction_bound(lines, comparator, changes, CHANCE / len(SHARES), weights)


def _seen(completed: Sequence[Completed], comparator: int, updates: int) -> list[Completed] | None:
    """Those that tell something of a snapshot against this comparator; None while they are too few.

    A comparator takes a degree of freedom, so that one with a single attempt tells nothing.
    """
    left = [one for one in completed if updates in one.snapshots]
    held = Counter(one.comparator for one in left)
    seen = [one for one in left if held[one.comparator] >= LEAST_BESIDE]
    groups = len({one.comparator for one in seen})
    enough = len(seen) - max(groups - 1, 0) >= LEAST_SEEN and held[comparator] >= LEAST_BESIDE
    return seen if enough else None


def known_bounds(
    completed: Sequence[Completed], comparator: int, snapshots: Iterable[int], worth: WorthKeeping
) -> dict[int, float]:
    """`least_hopeful` of the snapshots that it is known for, in the order of a training."""
    bounds = {updates: least_hopeful(completed, comparator, updates, worth) for updates in sorted(snapshots)}
    return {updates: bound for updates, bound in bounds.items() if bound is not None}


def stopped_after(snapshots: Mapping[int, float], bounds: Mapping[int, float]) -> int | None:
    """After how many updates an attempt with these changes of its snapshots is hopeless; None: never."""
    return next((updates for updates, bound in bounds.items() if snapshots[updates] < bound), None)


def false_stops(completed: Sequence[Completed], worth: WorthKeeping) -> tuple[int, int]:
    """Of the completed attempts that reached the gain: how many the others would have stopped, and all."""
    wrong = reached = 0
    for index, one in enumerate(completed):
        if one.screening < max(worth.gain, worth.bar):
            continue
        others = [*completed[:index], *completed[index + 1 :]]
        bounds = known_bounds(others, one.comparator, one.snapshots, worth)
        reached += bool(bounds)
        wrong += stopped_after(one.snapshots, bounds) is not None
    return wrong, reached


def is_trusted(wrong: int, reached: int) -> bool:
    """Whether that many `false_stops` are no wonder at a chance of `CHANCE`."""
    from scipy.special import bdtrc

    return wrong == 0 or float(bdtrc(wrong - 1, reached, CHANCE)) >= _DOUBT


def bounds_against(
    number: int,
    completed: Sequence[Completed],
    comparator: int,
    snapshots: Iterable[int],
    worth: WorthKeeping,
) -> dict[int, float]:
    """The bounds that attempt `number` is held against: none where it is audited or the rule is off."""
    if is_audited(number) or not is_trusted(*false_stops(completed, worth)):
        return {}
    return known_bounds(completed, comparator, snapshots, worth)


def forecast(completed: Sequence[Completed], comparator: int, updates: int, change: float) -> Forecast | None:
    """What a snapshot's change foretells, by least squares; None while too little was seen."""
    seen = _seen(completed, comparator, updates)
    if seen is None:
        return None
    early, final = [one.snapshots[updates] for one in seen], [one.screening for one in seen]
    lines = fit_parallel(early, final, [one.comparator for one in seen])
    return Forecast(float(lines.at([change], comparator)[0]), math.sqrt(lines.variance))


def written(found: Forecast) -> str:
    """A forecast as a trailer says it."""
    return f"{found.change:+.5f} ± {found.error:.5f}"


def read_forecast(text: str | None) -> tuple[float, float] | None:
    """Change and error of what `written` wrote; None for anything else."""
    change, _, error = (text or "").partition(" ± ")
    try:
        return float(change), float(error)
    except ValueError:
        return None
