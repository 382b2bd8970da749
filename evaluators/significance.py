"""Paired differences: their error, their interval, and how many seeds they need.

Owns the statistics; what follows from them (keep, revert, confirm) belongs to `agent.decision`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class PairedTest:
    """Student's t over paired differences, one a seed.

    `p_value` is one-sided against a mean of zero or less. `standard_deviation` is of one difference.
    """

    change: float
    standard_deviation: float
    standard_error: float
    p_value: float
    seeds: int


@dataclass(frozen=True)
class CrossedInterval:
    """A mean difference whose interval respects seeds and task clusters alike.

    `cluster_se` is None where fewer than two clusters exist; the interval then speaks of seeds alone.
    """

    change: float
    standard_error: float
    interval: tuple[float, float]
    seed_se: float
    cluster_se: float | None


def paired_test(differences: Sequence[float]) -> PairedTest:
    """One-sided paired t test of `differences` (positive is better) with their own variance.

    Differences that do not vary have no error to test against: their p-value is 1.0.

    Raises:
        ValueError: fewer than two differences, or one that is not finite.
    """
    from scipy.special import stdtr

    values = _finite(differences)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(f"a paired test needs at least 2 differences, got {values.size}")
    change = float(values.mean())
    deviation = float(values.std(ddof=1))
    error = deviation / math.sqrt(len(values))
    p_value = float(stdtr(len(values) - 1, -change / error)) if error > 0 else 1.0
    return PairedTest(change, deviation, error, p_value, len(values))


def paired_interval(differences: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """Two-sided t interval of the mean of paired differences, one a seed.

    Raises:
        ValueError: fewer than two differences, one that is not finite, or a level outside (0, 1).
    """
    test = paired_test(differences)
    half = _quantile(level, test.seeds - 1) * test.standard_error
    return (test.change - half, test.change + half)


@dataclass(frozen=True)
class LowerBound:
    """A difference of two means, its standard error, and its one-sided lower bound."""

    change: float
    standard_error: float
    bound: float


def welch_lower_bound(ours: Sequence[float], theirs: Sequence[float], level: float = 0.95) -> LowerBound:
    """One-sided lower bound of mean(ours) - mean(theirs), whose variances may differ (Welch 1947).

    Raises:
        ValueError: fewer than two values on a side, one that is not finite, or a level outside (0.5, 1).
    """
    if not 0.5 < level < 1:
        raise ValueError(f"the level of a one-sided bound must lie within (0.5, 1), got {level}")
    mine, yours = _finite(ours), _finite(theirs)
    if min(len(mine), len(yours)) < 2:
        raise ValueError(f"Welch's t needs 2 values on each side, got {len(mine)} and {len(yours)}")
    change = float(mine.mean() - yours.mean())
    parts = [float(values.var(ddof=1)) / len(values) for values in (mine, yours)]
    error = math.sqrt(sum(parts))
    spread = parts[0] ** 2 / (len(mine) - 1) + parts[1] ** 2 / (len(yours) - 1)
    if spread == 0:
        return LowerBound(change, 0.0, change)
    return LowerBound(change, error, change - _quantile(2.0 * level - 1.0, error**4 / spread) * error)


def crossed_interval(
    differences: Sequence[Sequence[float]] | NDArray[np.float64],
    clusters: Sequence[str] | Sequence[Sequence[str]],
    level: float = 0.95,
) -> CrossedInterval:
    """Interval of the mean of `differences` [seeds, tasks] when seeds and whole clusters could be others.

    The squared standard error is the sum of two: the variance of the per-seed means over the seeds, and
    the cluster-robust variance over `clusters` ([tasks], or [seeds, tasks] where seeds have their own
    tasks). The noise of a single seed on a single task enters both, so the sum errs on the safe side, as
    the pigeonhole bootstrap does (Owen 2007, arXiv 0712.1111); Cameron, Gelbach and Miller (2011) would
    subtract it once. Degrees of freedom are Satterthwaite's, from seeds - 1 and clusters - 1.

    Raises:
        ValueError: fewer than two seeds, no task, shapes that do not agree, a difference that is not
            finite, or a level outside (0, 1).
    """
    values = _finite(differences)
    if values.ndim != 2 or values.shape[0] < 2 or values.shape[1] < 1:
        raise ValueError(f"a crossed interval needs [at least 2 seeds, tasks], got shape {values.shape}")
    names = np.asarray(clusters)
    if names.shape not in (values.shape, values.shape[1:]):
        raise ValueError(f"clusters {names.shape} do not name the tasks of differences {values.shape}")
    seeds = values.shape[0]
    change = float(values.mean())
    seed_variance = float(values.mean(axis=1).var(ddof=1)) / seeds
    unique, members = np.unique(np.broadcast_to(names, values.shape), return_inverse=True)
    groups = len(unique)
    if groups < 2:
        half = _quantile(level, seeds - 1) * math.sqrt(seed_variance)
        seed_se = math.sqrt(seed_variance)
        return CrossedInterval(change, seed_se, (change - half, change + half), seed_se, None)
    totals = np.bincount(members.ravel(), weights=(values - change).ravel(), minlength=groups)
    cluster_variance = float(totals @ totals) * groups / (groups - 1) / values.size**2
    variance = seed_variance + cluster_variance
    error = math.sqrt(variance)
    spread = seed_variance**2 / (seeds - 1) + cluster_variance**2 / (groups - 1)
    half = _quantile(level, variance**2 / spread) * error if spread > 0 else 0.0
    return CrossedInterval(
        change,
        error,
        (change - half, change + half),
        math.sqrt(seed_variance),
        math.sqrt(cluster_variance),
    )


def least_significant_change(standard_deviation: float, seeds: int, alpha: float) -> float:
    """The mean of `seeds` differences that a one-sided paired t test at `alpha` only just passes.

    Raises:
        ValueError: fewer than two seeds, or alpha outside (0, 0.5).
    """
    if seeds < 2 or not 0 < alpha < 0.5:
        raise ValueError(f"need at least 2 seeds and alpha within (0, 0.5), got {seeds} and {alpha}")
    return _quantile(1.0 - 2.0 * alpha, seeds - 1) * standard_deviation / math.sqrt(seeds)


def needed_seeds(
    change: float, standard_deviation: float, alpha: float, power: float = 0.8, most: int = 100
) -> int | None:
    """Least number of pairs with which a one-sided paired t test at `alpha` finds `change` with `power`.

    None where it takes more than `most`, or where the change is not positive.

    Raises:
        ValueError: standard deviation, alpha or power out of range.
    """
    from scipy.special import nctdtr, stdtrit

    if standard_deviation <= 0 or not 0 < alpha < 1 or not 0 < power < 1:
        raise ValueError("needed_seeds takes a positive standard deviation and alpha, power within (0, 1)")
    if change <= 0:
        return None
    pairs = np.arange(2, most + 1)
    shift = change / standard_deviation * np.sqrt(pairs)
    reached = 1.0 - nctdtr(pairs - 1, shift, stdtrit(pairs - 1, 1.0 - alpha)) >= power
    return int(pairs[reached][0]) if reached.any() else None


def _finite(
    differences: Sequence[float] | Sequence[Sequence[float]] | NDArray[np.float64],
) -> NDArray[np.float64]:
    values = np.asarray(differences, dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError("differences must be finite numbers")
    return values


def _quantile(level: float, degrees_of_freedom: float) -> float:
    from scipy.special import stdtrit

    if not 0 < level < 1:
        raise ValueError(f"the level of an interval must lie within (0, 1), got {level}")
    return float(stdtrit(degrees_of_freedom, 0.5 + level / 2.0))
