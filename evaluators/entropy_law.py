"""The law R = -a·exp(H) + b, which ties reward to policy entropy (Cui et al. 2025, arXiv 2505.22617).

Owns the fit, its error, its rivals and the reasons not to believe it. Points of one training follow one
another, so give it means over stretches of the training and not every step: errors are those of
independent points.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluators.straight_line import Line, Values, fit_line

WEAK_FIT = 0.5
EARLY = 1 / 3


@dataclass(frozen=True)
class LawFit:
    """Least-squares fit of reward on -exp(entropy).

    `ceiling` is the reward that the law foresees when all entropy is spent, b - a. `r_squared` is 1.0
    for a constant reward, which the law meets exactly with a = 0. Standard errors are those of ordinary
    least squares with n - 2 degrees of freedom.
    """

    a: float
    b: float
    r_squared: float
    ceiling: float
    rmse: float
    standard_error_a: float
    standard_error_b: float
    standard_error_ceiling: float
    points: int
    line: Line

    def reward_at(self, entropy: Values) -> NDArray[np.float64]:
        """What the law foresees at an entropy (nats a token), [...] -> [...]."""
        return self.line.at(np.exp(np.asarray(entropy, dtype=np.float64)))

    def band_at(
        self, entropy: Values, level: float = 0.95
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Confidence band (lower, upper) of the law's mean reward at an entropy, pointwise."""
        spent = np.exp(np.asarray(entropy, dtype=np.float64))
        half = _student(self.points - 2, level) * self.line.error_at(spent)
        return self.line.at(spent) - half, self.line.at(spent) + half

    def ceiling_interval(self, level: float = 0.95) -> tuple[float, float]:
        lower, upper = self.band_at([0.0], level)
        return float(lower[0]), float(upper[0])

    def left_to_buy(self, entropy: float) -> float:
        """Reward that spending what is left of `entropy` (nats) would still buy: a (exp(H) - 1)."""
        return self.a * math.expm1(entropy)

    def left_interval(self, entropy: float, level: float = 0.95) -> tuple[float, float]:
        """Confidence interval of `left_to_buy`: that of a, since the entropy is given."""
        half = _student(self.points - 2, level) * self.standard_error_a * abs(math.expm1(entropy))
        return self.left_to_buy(entropy) - half, self.left_to_buy(entropy) + half


@dataclass(frozen=True)
class FormFit:
    """One form of the relation, fitted to all points and, to forecast the rest, to the early ones.

    `forecast_error` is the root mean squared error on the points after the early ones; `forecast_final`
    what the early fit foresees for the last point. None where the early points allow no fit.
    """

    form: str
    r_squared: float
    rmse: float
    forecast_error: float | None
    forecast_final: float | None


def fit_entropy_law(entropy: Values, reward: Values) -> LawFit:
    """Fit the law to points of (entropy in nats a token, reward); it is linear in a and b.

    Raises:
        ValueError: fewer than 3 points, unequal lengths, a value that is not finite, or an entropy
            that does not vary, so that no unique fit exists.
    """
    with np.errstate(over="ignore"):
        spent = np.exp(np.asarray(entropy, dtype=np.float64))
        scale = float(np.square(spent).sum())
    rewards = np.asarray(reward, dtype=np.float64)
    if spent.ndim != 1 or spent.shape != rewards.shape:
        raise ValueError(f"entropy and reward must be equally long, got {spent.shape} and {rewards.shape}")
    if len(spent) < 3:
        raise ValueError(f"the entropy law needs at least 3 points, got {len(spent)}")
    if not (np.isfinite(scale) and np.isfinite(rewards).all()):
        raise ValueError("the entropy law needs finite entropies (below 350 nats) and rewards")
    line = fit_line(spent, rewards)
    if line is None:
        raise ValueError("the entropy law cannot be fitted: entropy is the same at every point")
    error_b, error_ceiling = line.error_at([0.0, 1.0])
    return LawFit(
        a=-line.slope,
        b=line.intercept,
        r_squared=line.r_squared,
        ceiling=line.intercept + line.slope,
        rmse=line.rmse,
        standard_error_a=line.rmse * math.sqrt(line.points / (line.points - 2) / line.spread_x),
        standard_error_b=float(error_b),
        standard_error_ceiling=float(error_ceiling),
        points=line.points,
        line=line,
    )


def reasons_to_doubt(fit: LawFit, *, intervention: str | None = None) -> tuple[str, ...]:
    """Why the law does not apply, each a clause that ends a sentence; empty where nothing speaks against it.

    `intervention` names a control of entropy or KL in force: the law was found without one.
    """
    doubts = []
    if intervention:
        doubts.append(f"{intervention} holds entropy, and the law was found without intervention")
    if fit.a <= 2 * fit.standard_error_a:
        doubts.append("reward does not rise as entropy falls (a is not above twice its standard error)")
    if fit.r_squared < WEAK_FIT:
        doubts.append(f"it explains {fit.r_squared:.0%} of the reward's variance, less than {WEAK_FIT:.0%}")
    return tuple(doubts)


def compare_forms(entropy: Values, reward: Values, steps: Values, early: float = EARLY) -> list[FormFit]:
    """The law against its rivals on the same points, in order of training.

    Forms: `exponential`, the law; `linear`, R = -a H + b; `logarithmic`, R = a log(step) + b, which does
    not look at entropy; `constant`, the mean of the early points' last quarter, which knows nothing. All
    but the last have two parameters, so that errors compare. Forecasts use the first `early` share of
    the points, and for entropy forms the entropy that later points really had (as arXiv 2505.22617,
    sec. 3.2 does).

    Raises:
        ValueError: as `fit_entropy_law`, steps that are not positive, or an early share outside (0, 1).
    """
    fit_entropy_law(entropy, reward)
    h, r, s = (np.asarray(values, dtype=np.float64) for values in (entropy, reward, steps))
    if s.shape != h.shape or not (np.isfinite(s).all() and (s > 0).all()) or not 0 < early < 1:
        raise ValueError("forms are compared at steps above 0, one a point, with an early share in (0, 1)")
    known = max(3, math.ceil(early * len(r)))
    forms = {"exponential": np.exp(h), "linear": h, "logarithmic": np.log(s)}
    return [*(_fit_form(form, x, r, known) for form, x in forms.items()), _constant(r, known)]


def _student(freedom: int, level: float) -> float:
    """How many standard errors a two-sided interval of this level spans on each side."""
    from scipy.special import stdtrit

    if not 0 < level < 1:
        raise ValueError(f"the level of a band must lie within (0, 1), got {level}")
    return float(stdtrit(freedom, 0.5 + level / 2))


def _fit_form(form: str, x: NDArray[np.float64], y: NDArray[np.float64], known: int) -> FormFit:
    line = fit_line(x, y)
    early = fit_line(x[:known], y[:known])
    if line is None:
        raise ValueError(f"the {form} form cannot be fitted: its regressor is the same at every point")
    if early is None or known >= len(y):
        return FormFit(form, line.r_squared, line.rmse, None, None)
    missed = early.at(x[known:]) - y[known:]
    final = float(early.at(x[-1:])[0])
    return FormFit(form, line.r_squared, line.rmse, float(np.sqrt(np.square(missed).mean())), final)


def _constant(y: NDArray[np.float64], known: int) -> FormFit:
    last = float(y[:known][-max(1, known // 4) :].mean())
    missed = last - y[known:]
    error = float(np.sqrt(np.square(missed).mean())) if len(missed) else None
    return FormFit("constant", 0.0, float(y.std()), error, last if len(missed) else None)
