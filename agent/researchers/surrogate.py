"""What a run's measurements say about configurations that it has not tried.

Owns a small Bayesian linear model of score change and final entropy, its prior and its draws. It knows
nothing of code, history or git: configurations and figures go in, predictions come out.

The prior is about directions, not about which control wins: the baseline is tuned, so learning rate
alone loses on either side; controls slow the spending of entropy, so they tend to pay together with a
higher learning rate; two controls together gain somewhat less than the sum of both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from agent.researchers.configuration import Configuration
from agent.researchers.control_table import CONTROLS, SEVERAL, Control, Table

Vector = NDArray[np.float64]

# (mean, standard deviation) of each weight, in units of the scale of effects
_SCORE_PRIOR = {
    "rate": (0.0, 0.3), "rate^2": (-1.5, 1.5), "length": (0.7, 0.5), "rate*length": (-0.2, 0.3),
    "control": (0.0, 1.0), "strength": (0.0, 0.5), "strength^2": (-0.2, 0.4), "control*rate": (0.6, 0.6),
    "strength*rate": (0.2, 0.3), "pair": (-0.2, 0.4), "pair*rate": (0.2, 0.2),
}  # fmt: skip
# the same for the logarithm of final entropy
_ENTROPY_PRIOR = {
    "rate": (-0.35, 0.15), "rate^2": (0.0, 0.1), "length": (-0.3, 0.15), "rate*length": (0.0, 0.05),
    "control": (0.1, 0.25), "strength": (0.1, 0.2), "strength^2": (0.0, 0.1), "control*rate": (0.05, 0.15),
    "strength*rate": (0.0, 0.1), "pair": (0.0, 0.1), "pair*rate": (0.0, 0.05),
}  # fmt: skip
_ENTROPY_NOISE = 0.05
# the scale of effects, in units of the noise: averaged over
_SCALES = (1.0, 1.5, 2.0, 3.0, 4.0)
# what the features cannot express, in units of the scale of effects
_MISFIT = 0.15


@dataclass(frozen=True)
class Observation:
    """A measured attempt against the baseline: `change` is positive when better; None is unknown."""

    configuration: Configuration
    change: float | None
    standard_error: float
    entropy: float | None


@dataclass(frozen=True)
class _Posterior:
    mean: Vector
    covariance: NDArray[np.float64]


class Surrogate:
    """Posterior over score change against the baseline and over final entropy.

    `noise` is the standard deviation of a single paired difference, in units of the metric;
    `baseline_entropy` is in nats a token.
    """

    def __init__(
        self,
        baseline: Configuration,
        observations: Sequence[Observation],
        noise: float,
        baseline_entropy: float | None,
        table: Table = CONTROLS,
    ) -> None:
        self._baseline = baseline
        self._space = _space_of(tuple(table.values()))
        self._start = math.log(baseline_entropy) if baseline_entropy and baseline_entropy > 0 else 0.0
        scored = [seen for seen in observations if seen.change is not None]
        changes = np.array([seen.change for seen in scored], dtype=np.float64)
        errors = np.array([seen.standard_error for seen in scored], dtype=np.float64)
        self._score = _fit_score(
            self._space, self._features([seen.configuration for seen in scored]), changes, errors, noise
        )
        spent = [seen for seen in observations if seen.entropy is not None and seen.entropy > 0]
        moved = np.array([math.log(seen.entropy or 1.0) - self._start for seen in spent], dtype=np.float64)
        mean, deviation = self._space.prior(_ENTROPY_PRIOR)
        noises = np.full(len(spent), _ENTROPY_NOISE**2)
        features = self._features([seen.configuration for seen in spent])
        self._entropy, _ = _posterior(features, moved, noises, mean, deviation)

    def change(self, configuration: Configuration) -> tuple[float, float]:
        """Expected change against the baseline and its standard deviation, positive is better."""
        features = self._features([configuration])[0]
        variance = float(features @ self._score.covariance @ features)
        return float(features @ self._score.mean), math.sqrt(max(variance, 0.0))

    def entropy(self, configuration: Configuration) -> float:
        """Expected final entropy, nats a token."""
        return math.exp(self._start + float(self._features([configuration])[0] @ self._entropy.mean))

    def draw(self, pool: Sequence[Configuration], rng: np.random.Generator, boldness: float) -> Vector:
        """One plausible change of every configuration (Thompson 1933); boldness 0 gives the expected ones."""
        values, vectors = np.linalg.eigh(self._score.covariance)
        step = vectors @ (np.sqrt(np.clip(values, 0.0, None)) * rng.standard_normal(len(values)))
        return np.asarray(self._features(pool) @ (self._score.mean + boldness * step), dtype=np.float64)

    def _features(self, configurations: Sequence[Configuration]) -> NDArray[np.float64]:
        if not configurations:
            return np.zeros((0, len(self._space.names)))
        rates = np.log([one.learning_rate / self._baseline.learning_rate for one in configurations])
        lengths = np.log([one.steps / self._baseline.steps for one in configurations])
        kinds = {
            controls: rank
            for rank, controls in enumerate(dict.fromkeys(one.controls for one in configurations))
        }
        level, slope = (
            np.stack(part) for part in zip(*(self._space.of_controls(kind) for kind in kinds), strict=True)
        )
        chosen = [kinds[one.controls] for one in configurations]
        rows = level[chosen] + rates[:, None] * slope[chosen]
        rows[:, :4] = np.stack([rates, rates**2, lengths, rates * lengths], axis=1)
        return np.asarray(rows, dtype=np.float64)


_CONTROL_FEATURES = ("control", "strength", "strength^2", "control*rate", "strength*rate")


class _Space:
    """The features that a table of controls spans, by position."""

    def __init__(self, controls: Sequence[Control]) -> None:
        self._controls = {control.name: control for control in controls}
        pairs = [
            (first.name, second.name)
            for first, second in combinations(controls, 2)
            if first.slot != second.slot or first.slot in SEVERAL
        ]
        self.names = (
            ["rate", "rate^2", "length", "rate*length"]
            + [feature for _ in controls for feature in _CONTROL_FEATURES]
            + [feature for _ in pairs for feature in ("pair", "pair*rate")]
        )
        self._control_start = {name: 4 + 5 * rank for rank, name in enumerate(self._controls)}
        self._pair_start = {pair: 4 + 5 * len(controls) + 2 * rank for rank, pair in enumerate(pairs)}
        self._known: dict[tuple[tuple[str, float], ...], tuple[Vector, Vector]] = {}

    def prior(self, weights: dict[str, tuple[float, float]]) -> tuple[Vector, Vector]:
        table = np.array([weights[name] for name in self.names])
        return table[:, 0], table[:, 1]

    def of_controls(self, controls: tuple[tuple[str, float], ...]) -> tuple[Vector, Vector]:
        """Features of a set of controls: the part without learning rate, and the part that it multiplies."""
        if controls not in self._known:
            self._known[controls] = self._level_and_slope(controls)
        return self._known[controls]

    def _level_and_slope(self, controls: tuple[tuple[str, float], ...]) -> tuple[Vector, Vector]:
        level, slope = np.zeros(len(self.names)), np.zeros(len(self.names))
        for name, value in controls:
            strength, start = self._strength(name, value), self._control_start[name]
            level[start : start + 3] = 1.0, strength, strength**2
            slope[start + 3 : start + 5] = 1.0, strength
        for first, second in combinations([name for name, _ in controls], 2):
            start = self._pair_start[first, second]
            level[start], slope[start + 1] = 1.0, 1.0
        return level, slope

    def _strength(self, name: str, value: float) -> float:
        """Where a value lies between the weak (-1) and the strong (+1) end of its range, by its logarithm."""
        grid = self._controls[name].grid
        weak, strong = math.log(grid[0]), math.log(grid[-1])
        return 2.0 * (math.log(value) - weak) / (strong - weak) - 1.0 if strong != weak else 0.0


@lru_cache(maxsize=8)
def _space_of(controls: tuple[Control, ...]) -> _Space:
    return _Space(controls)


def _fit_score(
    space: _Space, features: NDArray[np.float64], changes: Vector, errors: Vector, noise: float
) -> _Posterior:
    """Average over the scale of effects, in units of `noise`, by how well each explains what was seen."""
    mean, deviation = space.prior(_SCORE_PRIOR)
    fits = []
    for ratio in _SCALES:
        scale = ratio * noise
        noises = errors**2 + (_MISFIT * scale) ** 2
        fits.append(_posterior(features, changes, noises, scale * mean, scale * deviation))
    evidence = np.array([likelihood for _, likelihood in fits])
    weights = np.exp(evidence - evidence.max())
    weights /= weights.sum()
    average = sum(
        (weight * fit.mean for weight, (fit, _) in zip(weights, fits, strict=True)), np.zeros(len(mean))
    )
    covariance = np.zeros((len(mean), len(mean)))
    for weight, (fit, _) in zip(weights, fits, strict=True):
        apart = fit.mean - average
        covariance += weight * (fit.covariance + np.outer(apart, apart))
    return _Posterior(average, covariance)


def _posterior(
    features: NDArray[np.float64], values: Vector, noises: Vector, mean: Vector, deviation: Vector
) -> tuple[_Posterior, float]:
    """Gaussian posterior of the weights, and the logarithm of the evidence."""
    prior = np.diag(deviation**2)
    if not len(values):
        return _Posterior(mean, prior), 0.0
    spread = features @ prior
    total = spread @ features.T + np.diag(noises)
    residual = values - features @ mean
    gain = np.linalg.solve(total, spread).T
    likelihood = -0.5 * (residual @ np.linalg.solve(total, residual) + np.linalg.slogdet(total)[1])
    return _Posterior(mean + gain @ residual, prior - gain @ spread), float(likelihood)
