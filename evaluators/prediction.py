"""What straight lines through what was seen say of one more observation.

Owns the prediction bound; what is predicted from what, and what follows, is not its business.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from evaluators.parallel_lines import ParallelLines

_HALVINGS = 60


def lower_prediction_bound(
    lines: ParallelLines, group: Hashable, at: Sequence[float], chance: float, weights: Sequence[float]
) -> float:
    """What one more y of a group falls short of with probability `chance`: normal errors.

    At one x it is the line less t·s·sqrt(1 + 1/n + (x - mean)² / Sxx), t Student's quantile with the lines'
    degrees of freedom; where the new x is any of `at`, with `weights`, the tails are weighed alike.

    Raises:
        ValueError: a value that is not finite, no weight, or a chance outside (0, 0.5).
    """
    from scipy.special import stdtr, stdtrit

    places, shares = np.asarray(at, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    if not (np.isfinite(places).all() and np.isfinite(shares).all()):
        raise ValueError("places and weights must be finite numbers")
    if shares.shape != places.shape or shares.min(initial=0.0) < 0 or not shares.sum() > 0:
        raise ValueError(f"need a weight for each of {places.size} places, got {shares.size}")
    if not 0 < chance < 0.5:
        raise ValueError(f"the chance of falling short must lie within (0, 0.5), got {chance}")
    expected, reach = lines.at(places, group), np.sqrt(lines.variance_at(places, group))
    bounds = expected + float(stdtrit(lines.freedom, chance)) * reach
    low, high = float(bounds.min()), float(bounds.max())
    if not high > low or not reach.all():
        return low
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        below = float((shares * stdtr(lines.freedom, (middle - expected) / reach)).sum() / shares.sum())
        low, high = (middle, high) if below < chance else (low, middle)
    return low
