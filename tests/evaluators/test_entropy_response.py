"""The sign that a score answers to entropy by, and the placebos that guard it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from evaluators.entropy_response import (
    PLACEBOS,
    Points,
    has_inner_optimum,
    placebo_scores,
    regime_of_levers,
    regime_of_rows,
    slope_of,
)

SEEDS = (0, 1, 2)


def lever(slope: float, noise: float, seed: int, curve: float = 0.0) -> Points:
    """Five levels of entropy on three seeds that differ by themselves."""
    generator = np.random.default_rng(seed)
    x = [0.1 + 0.05 * level + 0.005 * generator.normal() for level in range(5) for _ in SEEDS]
    groups = [each for _ in range(5) for each in SEEDS]
    y = [
        slope * h - curve * (h - 0.2) ** 2 + 0.3 * g + noise * generator.normal()
        for h, g in zip(x, groups, strict=True)
    ]
    return Points(x, y, groups)


def test_the_slope_of_one_group_equals_scipy() -> None:
    points = lever(-1.0, 0.02, 5)
    one = Points(points.entropies, points.scores, ["all"] * len(points.scores))
    found, reference = slope_of(one), stats.linregress(points.entropies, points.scores)
    half = stats.t.ppf(0.975, len(points.scores) - 2) * reference.stderr
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx(
        (reference.slope, reference.slope - half, reference.slope + half)
    )


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [(-1.0, -0.8, "spend"), (1.0, 0.8, "keep"), (-1.0, 0.8, "undecided"), (-1.0, 0.0, "undecided")],
)
def test_a_regime_needs_both_levers_to_agree(first: float, second: float, expected: str) -> None:
    found = regime_of_levers({"pressure": lever(first, 0.01, 1), "rate": lever(second, 0.01, 2)})
    assert found.regime == expected


def test_a_lever_that_moves_no_entropy_decides_nothing() -> None:
    still = Points([0.2] * 6, [0.1, 0.2, 0.3, 0.2, 0.1, 0.3], [0, 1, 2, 0, 1, 2])
    assert regime_of_levers({"pressure": lever(-1, 0.01, 1), "rate": still}).regime == "undecided"


def test_an_optimum_within_is_told_from_a_slope() -> None:
    assert has_inner_optimum(lever(0.0, 0.005, 3, curve=8.0))
    assert not has_inner_optimum(lever(-1.0, 0.005, 3))
    bent = regime_of_levers({"pressure": lever(0, 0.002, 1, curve=8), "rate": lever(0, 0.002, 2, curve=8)})
    assert bent.regime == "interior"


def test_placebos_come_out_as_they_must_by_levers_and_by_prompts() -> None:
    levers = {"pressure": lever(-1.0, 0.01, 1), "rate": lever(-1.0, 0.01, 2)}
    flat = [x for points in levers.values() for x in points.entropies]
    width = len(flat) // 2
    rows = np.random.default_rng(0).uniform(0.1, 0.5, (40, 8))
    for name, expected in PLACEBOS.items():
        scores = placebo_scores(flat, 7)[name]
        read = regime_of_levers(
            {
                lever_name: Points(points.entropies, scores[i * width : (i + 1) * width], points.groups)
                for i, (lever_name, points) in enumerate(levers.items())
            }
        )
        assert read.regime == expected
        by_prompt = np.array(placebo_scores(list(rows.ravel()), 7)[name]).reshape(rows.shape)
        assert regime_of_rows(rows.tolist(), by_prompt.tolist()).regime == expected


def test_random_scores_are_seldom_given_a_regime() -> None:
    base = {"pressure": lever(0, 0.01, 1), "rate": lever(0, 0.01, 2)}
    named = 0
    for seed in range(300):
        generator = np.random.default_rng(seed)
        noise = {
            name: Points(p.entropies, generator.normal(size=len(p.scores)).tolist(), p.groups)
            for name, p in base.items()
        }
        named += regime_of_levers(noise).regime in ("spend", "keep")
    assert named <= 3
