"""What the fit of the entropy law promises."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evaluators.entropy_law import fit_entropy_law

VECTOR = json.loads((Path(__file__).parent / "vectors" / "entropy" / "entropy_law_fit_a.json").read_text())


@pytest.mark.parametrize(
    ("reward", "points", "expected"),
    [("reward_clean", 8, "clean"), ("reward_noisy", 8, "noisy"), ("reward_noisy", 4, "early_fit")],
)
def test_fit_equals_ordinary_least_squares(reward: str, points: int, expected: str) -> None:
    fit = fit_entropy_law(VECTOR["inputs"]["entropy"][:points], VECTOR["inputs"][reward][:points])
    figures = VECTOR["expected"][expected]
    assert fit.a == pytest.approx(figures["a"], abs=VECTOR["tolerance"])
    assert fit.b == pytest.approx(figures["b"], abs=VECTOR["tolerance"])
    assert fit.r_squared == pytest.approx(figures["r_squared"], abs=VECTOR["tolerance"])
    assert fit.ceiling == pytest.approx(figures["ceiling_at_zero_entropy"], abs=VECTOR["tolerance"])


@pytest.mark.parametrize(
    ("entropy", "reward", "complaint"),
    [
        ([0.5, 0.4], [0.1, 0.2], "at least 3 points"),
        ([0.5, 0.5, 0.5], [0.1, 0.2, 0.3], "same at every point"),
        ([0.5, 0.4, 0.3], [0.1, 0.2], "equally long"),
        ([0.5, 0.4, float("nan")], [0.1, 0.2, 0.3], "finite"),
    ],
)
def test_points_without_a_unique_fit_are_refused(
    entropy: list[float], reward: list[float], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        fit_entropy_law(entropy, reward)


def test_constant_reward_is_a_flat_law() -> None:
    fit = fit_entropy_law([0.5, 0.4, 0.3], [0.2, 0.2, 0.2])
    assert (fit.a, fit.ceiling, fit.r_squared) == pytest.approx((0.0, 0.2, 1.0))
