"""A straight line through points, by ordinary least squares.

Owns the line and its errors; what is drawn against what is not its business.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Values: TypeAlias = Sequence[float] | NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """Ordinary least squares of y on [x, 1]; errors with n - 2 degrees of freedom, None for n = 2.

    `rmse` is the root of the mean (over n) squared residual. `r_squared` is 1.0 for a constant y, which
    a line meets exactly.
    """

    slope: float
    intercept: float
    r_squared: float
    rmse: float
    points: int
    mean_x: float
    spread_x: float

    def at(self, x: Values) -> NDArray[np.float64]:
        return self.intercept + self.slope * np.asarray(x, dtype=np.float64)

    def error_at(self, x: Values) -> NDArray[np.float64]:
        """Standard error of the line at `x`; NaN where two points leave none."""
        away = np.asarray(x, dtype=np.float64) - self.mean_x
        return np.asarray(np.sqrt(self.variance * (1 / self.points + away**2 / self.spread_x)))

    @property
    def variance(self) -> float:
        """That of a single y about the line; NaN where two points leave none."""
        freedom = self.points - 2
        return self.rmse**2 * self.points / freedom if freedom else math.nan


def fit_line(x: NDArray[np.float64], y: NDArray[np.float64]) -> Line | None:
    """None where x does not vary, within what float64 can tell."""
    centred = x - x.mean()
    spread = float(centred @ centred)
    if spread <= 1e-18 * float(x @ x) or len(x) < 2:
        return None
    gained = y - y.mean()
    slope = float(centred @ gained) / spread
    residual = gained - slope * centred
    total = float(gained @ gained)
    constant = total <= 1e-24 * float(y @ y)
    return Line(
        slope=slope,
        intercept=float(y.mean() - slope * x.mean()),
        r_squared=1.0 if constant else 1.0 - float(residual @ residual) / total,
        rmse=math.sqrt(float(residual @ residual) / len(x)),
        points=len(x),
        mean_x=float(x.mean()),
        spread_x=spread,
    )
