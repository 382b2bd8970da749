"""Looking again and again at a t test without spending more than was allowed.

Owns the boundaries of a race, exact for normal differences of unknown variance; what a look decides is not
its business.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

_REACH = 8.0
_CELLS = 240


@lru_cache(maxsize=256)
def t_thresholds(spent: tuple[float, ...]) -> tuple[float, ...]:
    """The one-sided p-values that a t test must reach at each look, so that looks spend what they may.

    `spent[n-1]` is the chance, under a mean of nil, that the first p-value to reach its threshold is the one
    at n differences; where it is 0 nobody looks, and the threshold is 0. With W_n = sum / sqrt(sum of
    squares), W_n = (W_(n-1) + u) / sqrt(1 + u^2), where u sqrt(n-1) is Student's t with n-1 degrees of
    freedom and independent of everything before, whatever the variance: so the path of t statistics is a
    Markov chain of one dimension, and its distribution is integrated look by look, as Armitage, McPherson and
    Rowe (1969, J. R. Stat. Soc. A 132) did for a known variance. The spending itself is Lan and DeMets's
    (1983, Biometrika 70).

    Raises:
        ValueError: no look, a negative share, something spent on the first difference, or 1 in all.
    """
    if not spent or min(spent) < 0 or spent[0] > 0 or sum(spent) >= 1:
        raise ValueError("spent must be shares of at least 0 that add up to less than 1, the first of them 0")
    from scipy.special import ndtr

    edges = np.linspace(-_REACH, _REACH, _CELLS + 1)
    upper = ndtr(-edges)
    places, mass = np.array([-1.0, 1.0]), np.array([0.5, 0.5])
    thresholds = [0.0]
    for look in range(2, len(spent) + 1):
        above = _above(places, mass, _statistic(upper, look), look)
        share = spent[look - 1]
        threshold = 0.0
        if share > 0:
            bound = _crossing(edges, above, share)
            threshold = float(ndtr(-bound))
            above = np.where(edges >= bound, 0.0, above - share)
        thresholds.append(threshold)
        mass = np.maximum(-np.diff(above), 0.0)
        middles = (edges[1:] + edges[:-1]) / 2
        places = _statistic(ndtr(-middles), look)
    return tuple(thresholds)


def _statistic(tail: Vector, count: int) -> Vector:
    """W of `count` differences whose t statistic has this upper tail."""
    from scipy.special import stdtrit

    t = -np.asarray(stdtrit(count - 1, tail), dtype=np.float64)
    return t * np.sqrt(count / (count - 1 + t * t))


def _above(places: Vector, mass: Vector, statistics: Vector, count: int) -> Vector:
    """How much of `mass`, at `places` before, lies above each of the statistics after one more difference.

    With u = tan(phi), W' = R sin(phi + delta), R = sqrt(1 + W^2), delta = atan(W): above w lies an interval
    of phi, and where W is negative a second one at the far end.
    """
    reach, turn = np.sqrt(1.0 + places**2)[:, None], np.arctan(places)[:, None]
    angle = np.arcsin(np.clip(statistics[None, :] / reach, -1.0, 1.0))
    inside = _below(np.pi - angle - turn, count) - _below(angle - turn, count)
    far = _below(-np.pi - angle - turn, count)
    return np.asarray(mass @ (np.maximum(inside, 0.0) + far), dtype=np.float64)


def _below(phi: Vector, count: int) -> Vector:
    """Chance that the angle of the new difference lies below `phi`."""
    from scipy.special import stdtr

    within = np.clip(phi, -np.pi / 2, np.pi / 2)
    return np.asarray(stdtr(count - 1, np.tan(within) * math.sqrt(count - 1)), dtype=np.float64)


def _crossing(edges: Vector, above: Vector, share: float) -> float:
    """Where `above`, which falls, equals `share`; between edges its logarithm is taken as straight."""
    logs = np.log(np.maximum(above, 1e-300))
    return float(np.interp(-math.log(share), -logs, edges))


def spending(alpha: float, looks: Sequence[int], most: int, power: float) -> tuple[float, ...]:
    """What each of `most` differences may spend of `alpha`: alpha (n/most)^power in all at a look.

    Kim and DeMets (1987, Biometrika 74). `looks` are counts of differences in rising order, the last `most`.
    """
    shares, before = [0.0] * most, 0.0
    for look in looks:
        reached = math.pow(look / most, power)
        shares[look - 1] = alpha * (reached - before)
        before = reached
    return tuple(shares)
