"""What a straight line through what was seen says of one more observation.

Owns the prediction bound; what is predicted from what, and what follows, is not its business.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evaluators.straight_line import fit_line

_HALVINGS = 60


def lower_prediction_bound(
    x: Sequence[float],
    y: Sequence[float],
    at: Sequence[float],
    chance: float,
    weights: Sequence[float] | None = None,
) -> float:
    """What one more y falls short of with probability `chance`: least squares, normal errors.

    y = a + b·x + e with e of one variance. At one x it is a + b·x - t·s·sqrt(1 + 1/n + (x - mean)² / Sxx),
    t Student's quantile with n - 2 degrees of freedom (Draper and Smith 1998, Applied Regression Analysis,
    sec. 3.2); where the new x is any of `at`, with `weights`, the tails are weighed alike. Where x does not
    vary, the mean of y takes the line's place, with n - 1 degrees.

    Raises:
        ValueError: fewer than three pairs, unequal lengths, a value that is not finite, no weight, or a
            chance outside (0, 0.5).
    """
    from scipy.special import stdtr, stdtrit

    ours, theirs, places = (np.asarray(values, dtype=np.float64) for values in (x, y, at))
    shares = np.ones_like(places) if weights is None else np.asarray(weights, dtype=np.float64)
    if ours.shape != theirs.shape or ours.ndim != 1 or len(ours) < 3:
        raise ValueError(f"a line needs at least 3 pairs, got {ours.size} and {theirs.size} values")
    if not all(np.isfinite(values).all() for values in (ours, theirs, places, shares)):
        raise ValueError("the values of a line must be finite numbers")
    if shares.shape != places.shape or shares.min(initial=0.0) < 0 or not shares.sum() > 0:
        raise ValueError(f"need a weight for each of {places.size} places, got {shares.size}")
    if not 0 < chance < 0.5:
        raise ValueError(f"the chance of falling short must lie within (0, 0.5), got {chance}")
    line = fit_line(ours, theirs)
    freedom = len(ours) - (2 if line is not None else 1)
    if line is None:
        expected = np.full_like(places, theirs.mean())
        variance = theirs.var(ddof=1) * np.full_like(places, 1.0 + 1.0 / len(ours))
    else:
        expected, variance = line.at(places), line.variance + line.error_at(places) ** 2
    reach = np.sqrt(variance)
    bounds = expected + float(stdtrit(freedom, chance)) * reach
    low, high = float(bounds.min()), float(bounds.max())
    if not high > low or not reach.all():
        return low
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        below = float((shares * stdtr(freedom, (middle - expected) / reach)).sum() / shares.sum())
        low, high = (middle, high) if below < chance else (low, middle)
    return low
