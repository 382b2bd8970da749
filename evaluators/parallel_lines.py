"""Straight lines of one slope through groups of points, by ordinary least squares (analysis of covariance).

Owns the lines and their errors; what is drawn against what, and what the groups are, is not its business.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluators.straight_line import Values


@dataclass(frozen=True)
class Centre:
    """The means of a group's points, and how many they are."""

    x: float
    y: float
    points: int


@dataclass(frozen=True)
class ParallelLines:
    """y = a_g + b·x + e for every group g, with e of one variance.

    `spread` is the sum of squares of x about its group means; where it is nil the slope is too, and is not
    counted in `freedom`, which is else n - groups - 1. `variance` is that of a single y about its line.
    """

    slope: float
    centres: Mapping[Hashable, Centre]
    spread: float
    variance: float
    freedom: int

    def at(self, x: Values, group: Hashable) -> NDArray[np.float64]:
        centre = self.centres[group]
        return centre.y + self.slope * (np.asarray(x, dtype=np.float64) - centre.x)

    def variance_at(self, x: Values, group: Hashable) -> NDArray[np.float64]:
        """That of one more y at `x` about what the lines foretell (Draper and Smith 1998, sec. 3.2)."""
        centre = self.centres[group]
        away = (np.asarray(x, dtype=np.float64) - centre.x) ** 2
        inclined = away / self.spread if self.spread > 0 else np.zeros_like(away)
        return np.asarray(self.variance * (1.0 + 1.0 / centre.points + inclined))


def fit_parallel(x: Values, y: Values, groups: Sequence[Hashable]) -> ParallelLines:
    """The lines through the points (x, y) of each group.

    Raises:
        ValueError: unequal lengths, a value that is not finite, or too few points to tell their variance.
    """
    ours, theirs = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if not len(ours) == len(theirs) == len(groups):
        raise ValueError(f"need a y and a group for each x, got {len(ours)}, {len(theirs)}, {len(groups)}")
    if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        raise ValueError("the values of a line must be finite numbers")
    centres, away, over = dict[Hashable, Centre](), np.zeros_like(ours), np.zeros_like(theirs)
    for group in dict.fromkeys(groups):
        own = np.array([other == group for other in groups])
        centres[group] = Centre(float(ours[own].mean()), float(theirs[own].mean()), int(own.sum()))
        away[own], over[own] = ours[own] - centres[group].x, theirs[own] - centres[group].y
    spread = float(away @ away)
    varies = spread > 1e-18 * float(ours @ ours)
    slope = float(away @ over) / spread if varies else 0.0
    freedom = len(ours) - len(centres) - varies
    if freedom < 1:
        raise ValueError(f"{len(ours)} points in {len(centres)} groups leave nothing to tell their variance")
    residual = over - slope * away
    return ParallelLines(
        slope, centres, spread if varies else 0.0, float(residual @ residual) / freedom, freedom
    )
