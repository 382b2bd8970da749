"""How a score answers to entropy: spend it, keep it, something between, or not decided.

Owns slopes, intervals and the sign; entropies are in nats a token, scores signed so that higher is better.
What moved the entropy (trainings under pressure, or the temperature) is for the caller to say.
"""

from __future__ import annotations

import statistics
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from evaluators.rank_correlation import rank_correlation

Regime = Literal["spend", "keep", "interior", "undecided"]
PLACEBOS: Mapping[str, Regime] = {"random score": "undecided", "-H": "spend", "+H": "keep"}
SIGN_ALPHA = 0.01


@dataclass(frozen=True)
class Points:
    """What one lever did: entropy and score of each point, and the group that it is compared within."""

    entropies: Sequence[float]
    scores: Sequence[float]
    groups: Sequence[Hashable]


@dataclass(frozen=True)
class Slope:
    """Change of the score per nat with its two-sided 95% interval, within groups."""

    value: float
    low: float
    high: float

    @property
    def sign(self) -> int:
        return 1 if self.low > 0 else -1 if self.high < 0 else 0


@dataclass(frozen=True)
class Reading:
    """The regime that points amount to, and the figures that say so."""

    regime: Regime
    reason: str


def slope_of(points: Points) -> Slope | None:
    """The common slope within groups, by ordinary least squares; None where entropy hardly varies.

    Raises:
        ValueError: too few points to tell their variance, or figures that are not finite.
    """
    from scipy.special import stdtrit

    from evaluators.parallel_lines import fit_parallel

    lines = fit_parallel(points.entropies, points.scores, points.groups)
    if lines.spread == 0:
        return None
    half = float(stdtrit(lines.freedom, 0.975)) * (lines.variance / lines.spread) ** 0.5
    return Slope(lines.slope, lines.slope - half, lines.slope + half)


def regime_of_levers(levers: Mapping[str, Points]) -> Reading:
    """Two or more levers that move entropy by other ways: their signs must agree, each without zero."""
    slopes = {name: slope_of(points) for name, points in levers.items()}
    told = "; ".join(
        f"{name} {found.value:+.3g} [{found.low:+.3g}, {found.high:+.3g}] a nat"
        if found is not None
        else f"{name} does not move entropy"
        for name, found in slopes.items()
    )
    signs = {found.sign if found is not None else 0 for found in slopes.values()}
    if signs == {-1}:
        return Reading("spend", told)
    if signs == {1}:
        return Reading("keep", told)
    together = Points(
        [x for points in levers.values() for x in points.entropies],
        [y for points in levers.values() for y in points.scores],
        [(name, group) for name, points in levers.items() for group in points.groups],
    )
    if has_inner_optimum(together):
        return Reading("interior", f"{told}; rises at low and falls at high entropy")
    return Reading("undecided", told)


def has_inner_optimum(points: Points) -> bool:
    """An inverted U: a parabola within groups that rises at the least entropy and falls at the largest.

    Both slopes one-sided at 5% (Lind and Mehlum 2010).
    """
    from scipy.special import stdtrit

    x, y = np.asarray(points.entropies, dtype=np.float64), np.asarray(points.scores, dtype=np.float64)
    names = list(dict.fromkeys(points.groups))
    member = np.array([[float(group == name) for name in names] for group in points.groups])
    design = np.column_stack((member, x, x**2))
    freedom = len(x) - design.shape[1]
    if freedom < 1 or np.linalg.matrix_rank(design) < design.shape[1]:
        return False
    found, *_ = np.linalg.lstsq(design, y, rcond=None)
    residual = y - design @ found
    covariance = np.linalg.inv(design.T @ design) * float(residual @ residual) / freedom
    critical = float(stdtrit(freedom, 0.95))

    def statistic(at: float) -> float:
        weights = np.zeros(design.shape[1])
        weights[-2:] = 1.0, 2 * at
        error = float(weights @ covariance @ weights) ** 0.5
        return float(weights @ found) / error if error > 0 else 0.0

    return bool(statistic(float(x.min())) > critical and statistic(float(x.max())) < -critical)


def regime_of_rows(entropies: Sequence[Sequence[float]], scores: Sequence[Sequence[float]]) -> Reading:
    """Rows [prompts, settings]: Spearman's rho of each prompt, their median, and an exact sign test.

    Prompts of which entropy or score does not vary say nothing and are left out.
    """
    from scipy.special import betainc

    found = [
        rho
        for rho in (rank_correlation(x, y) for x, y in zip(entropies, scores, strict=True))
        if rho is not None and rho != 0
    ]
    if len(found) < 2:
        return Reading("undecided", f"{len(found)} prompts say anything")
    median = statistics.median(found)
    more = max(sum(rho > 0 for rho in found), sum(rho < 0 for rho in found))
    tail = float(betainc(more, len(found) - more + 1, 0.5))
    low, high = _bootstrapped_median(found)
    p_value = min(1.0, 2 * tail)
    told = f"median rho {median:+.2f} [{low:+.2f}, {high:+.2f}], {len(found)} prompts, sign p {p_value:.2g}"
    if p_value < SIGN_ALPHA and median != 0:
        return Reading("spend" if median < 0 else "keep", told)
    groups = [index for index, row in enumerate(entropies) for _ in row]
    flat = Points([x for row in entropies for x in row], [y for row in scores for y in row], groups)
    return Reading("interior" if has_inner_optimum(flat) else "undecided", told)


def placebo_scores(entropies: Sequence[float], seed: int) -> Mapping[str, list[float]]:
    """Scores whose regime is known, for the same entropies: by the names in `PLACEBOS`."""
    generator = np.random.default_rng(seed)
    return {
        "random score": generator.random(len(entropies)).tolist(),
        "-H": [-entropy for entropy in entropies],
        "+H": list(entropies),
    }


def _bootstrapped_median(values: Sequence[float]) -> tuple[float, float]:
    generator = np.random.default_rng(0)
    drawn = generator.choice(np.asarray(values), (2000, len(values)))
    low, high = np.quantile(np.median(drawn, axis=1), (0.025, 0.975))
    return float(low), float(high)
