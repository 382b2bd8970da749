"""How far a measurement can be relied on: agreement, separation, and the interval of a standard deviation.

Owns the statistics; what is measured, and what follows from a figure, is said elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_FEW_PAIRS = 200


@dataclass(frozen=True)
class Agreement:
    """The intraclass correlation ICC(1,1) with its two-sided interval; 1 is perfect agreement."""

    value: float
    low: float
    high: float


def intraclass_correlation(rows: Sequence[Sequence[float]], level: float = 0.95) -> Agreement:
    """ICC(1,1) of `rows` [subjects, repeats]: one-way random effects, single measurement.

    (MSB - MSW) / (MSB + (k - 1) MSW), its interval by the F distribution (Shrout and Fleiss 1979, case 1).
    It depends on how far the subjects lie apart. Where nothing varies at all it is 0: nothing is told apart.

    Raises:
        ValueError: fewer than two subjects or repeats, unequal rows, or a figure that is not finite.
    """
    from scipy.special import fdtri

    values = np.asarray(rows, dtype=np.float64)
    if values.ndim != 2 or min(values.shape) < 2 or not np.isfinite(values).all():
        raise ValueError("agreement needs at least 2 subjects, each measured at least twice, all finite")
    subjects, repeats = values.shape
    means = values.mean(axis=1)
    between = repeats * float(((means - values.mean()) ** 2).sum()) / (subjects - 1)
    within = float(((values - means[:, None]) ** 2).sum()) / (subjects * (repeats - 1))
    tiny = 1e-24 * max(float((values**2).max()), 1e-300)
    if within <= tiny:
        return Agreement(1.0, 1.0, 1.0) if between > tiny else Agreement(0.0, 0.0, 0.0)
    ratio, upper = between / within, 0.5 + level / 2
    inner, outer = subjects - 1, subjects * (repeats - 1)
    low, high = ratio / float(fdtri(inner, outer, upper)), ratio * float(fdtri(outer, inner, upper))
    return Agreement(*((f - 1) / (f + repeats - 1) for f in (ratio, low, high)))


def area_under_curve(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The chance that one of ours is above one of theirs, ties counted half (Mann and Whitney 1947).

    Raises:
        ValueError: either side is empty.
    """
    if not len(ours) or not len(theirs):
        raise ValueError("the area under the curve needs a value on each side")
    mine, yours = np.asarray(ours, dtype=np.float64)[:, None], np.asarray(theirs, dtype=np.float64)[None]
    return float(((mine > yours) + 0.5 * (mine == yours)).mean())


def deviation_interval(deviation: float, values: int, level: float = 0.95) -> tuple[float, float]:
    """Interval of a normal's standard deviation, estimated from so many values (chi-square).

    Raises:
        ValueError: fewer than two values, or a deviation that is negative or not finite.
    """
    from scipy.special import chdtri

    if values < 2 or not 0 <= deviation < math.inf:
        raise ValueError(f"an interval needs 2 values and a finite deviation, got {values} and {deviation}")
    freedom = values - 1
    tail = (1 - level) / 2
    return (
        deviation * math.sqrt(freedom / float(chdtri(freedom, tail))),
        deviation * math.sqrt(freedom / float(chdtri(freedom, 1 - tail))),
    )


def pairs_needed(effect: float, deviation: float, alpha: float = 0.05, most: int = 10_000) -> int | None:
    """Least number of pairs with which a two-sided paired t test finds `effect` four times in five.

    `deviation` is that of a paired difference. None where it takes more than `most`. Noncentral t; the far
    tail, which a true effect enters less than once in a million, is left out.

    Raises:
        ValueError: an effect or a deviation that is not positive.
    """
    from evaluators.significance import needed_seeds

    if effect <= 0:
        raise ValueError("a number of pairs needs a positive effect")
    few = needed_seeds(effect, deviation, alpha / 2, power=0.8, most=min(most, _FEW_PAIRS))
    return few or needed_seeds(effect, deviation, alpha / 2, power=0.8, most=most)
