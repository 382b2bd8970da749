"""The error of a mean over items that belong together: whole clusters could have been others."""

from __future__ import annotations

import math
from collections.abc import Sequence


def clustered_standard_error(values: Sequence[float], clusters: Sequence[str]) -> float | None:
    """Standard error of the mean of `values` when whole clusters are resampled.

    Linearised ratio estimator with G/(G-1) correction (Cameron & Miller 2015, eq. 11, without
    regressors). None with fewer than two clusters.
    """
    totals: dict[str, float] = {}
    mean = math.fsum(values) / len(values)
    for value, cluster in zip(values, clusters, strict=True):
        totals[cluster] = totals.get(cluster, 0.0) + value - mean
    groups = len(totals)
    if groups < 2:
        return None
    squares = math.fsum(total * total for total in totals.values())
    return math.sqrt(squares * groups / (groups - 1)) / len(values)
