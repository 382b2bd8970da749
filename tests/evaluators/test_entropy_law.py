"""What the fit of the entropy law promises."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluators.entropy_law import compare_forms, fit_entropy_law, reasons_to_doubt
from tests.vectors.read import vector

INPUTS, EXPECTED, TOLERANCE = vector("entropy/entropy_law_fit")


@pytest.mark.parametrize(
    ("reward", "points", "expected"),
    [("reward_clean", 8, "clean"), ("reward_noisy", 8, "noisy"), ("reward_noisy", 4, "early_fit")],
)
def test_fit_equals_ordinary_least_squares(reward: str, points: int, expected: str) -> None:
    fit = fit_entropy_law(INPUTS["entropy"][:points], INPUTS[reward][:points])
    found = {
        "a": fit.a,
        "b": fit.b,
        "r_squared": fit.r_squared,
        "ceiling_at_zero_entropy": fit.ceiling,
        "rmse": fit.rmse,
        "std_error_a": fit.standard_error_a,
        "std_error_b": fit.standard_error_b,
        "std_error_ceiling": fit.standard_error_ceiling,
    }
    assert found == pytest.approx(EXPECTED[expected], abs=TOLERANCE)


def test_early_fit_forecasts_what_the_vector_says() -> None:
    early = INPUTS["early_points"]
    fit = fit_entropy_law(INPUTS["entropy"][:early], INPUTS["reward_noisy"][:early])
    assert fit.reward_at(INPUTS["entropy"][early:]) == pytest.approx(
        EXPECTED["early_prediction"], abs=TOLERANCE
    )
    steps = range(1, 1 + len(INPUTS["entropy"]))
    forms = compare_forms(INPUTS["entropy"], INPUTS["reward_noisy"], steps, early=early / len(steps))
    law = next(form for form in forms if form.form == "exponential")
    assert law.forecast_error == pytest.approx(EXPECTED["early_prediction_rmse"], abs=TOLERANCE)
    assert law.forecast_final == pytest.approx(EXPECTED["early_prediction"][-1], abs=TOLERANCE)


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


@given(
    st.floats(0.01, 2),
    st.floats(-1, 2),
    st.lists(st.floats(0, 3), min_size=4, max_size=30, unique=True).filter(lambda h: max(h) - min(h) > 0.1),
)
@settings(deadline=None)
def test_a_law_without_noise_is_found_and_nothing_speaks_against_it(
    a: float, b: float, entropy: list[float]
) -> None:
    fit = fit_entropy_law(entropy, [b - a * math.exp(h) for h in entropy])
    assert (fit.a, fit.b, fit.ceiling) == pytest.approx((a, b, b - a), abs=1e-6)
    assert fit.left_to_buy(entropy[0]) == pytest.approx(fit.ceiling - fit.reward_at(entropy)[0], abs=1e-6)
    assert reasons_to_doubt(fit) == ()


def test_band_holds_the_true_ceiling_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    entropy = np.linspace(1.2, 0.2, 12)
    hits = 0
    for _ in range(1000):
        fit = fit_entropy_law(entropy, 0.6 - 0.2 * np.exp(entropy) + rng.normal(0, 0.02, 12))
        lower, upper = fit.ceiling_interval(0.9)
        hits += lower <= 0.4 <= upper
    assert 0.87 <= hits / 1000 <= 0.93
    lower_band, upper_band = fit.band_at(entropy, 0.9)
    assert (lower_band < fit.reward_at(entropy)).all()
    assert (upper_band - lower_band)[6] < (upper_band - lower_band)[0]


def test_interval_of_what_is_left_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    entropy = np.linspace(1.2, 0.2, 12)
    hits = 0
    for _ in range(1000):
        fit = fit_entropy_law(entropy, 0.6 - 0.2 * np.exp(entropy) + rng.normal(0, 0.02, 12))
        lower, upper = fit.left_interval(0.2, 0.9)
        hits += lower <= 0.2 * math.expm1(0.2) <= upper
    assert 0.87 <= hits / 1000 <= 0.93
    assert fit.left_interval(0.0) == (0.0, 0.0)


def test_a_law_that_does_not_apply_says_why() -> None:
    entropy = [1.0, 0.8, 0.6, 0.4]
    rising = fit_entropy_law(entropy, [0.4, 0.3, 0.2, 0.1])
    assert "does not rise" in reasons_to_doubt(rising)[0]
    noise = fit_entropy_law(entropy, [0.1, 0.4, 0.1, 0.3])
    assert any("explains" in reason for reason in reasons_to_doubt(noise))
    good = fit_entropy_law(entropy, [0.1, 0.3, 0.45, 0.55])
    assert reasons_to_doubt(good) == ()
    assert "without intervention" in reasons_to_doubt(good, intervention="Clip-Cov")[0]


def test_forms_are_told_apart_by_what_made_the_points() -> None:
    steps = np.arange(1, 31)
    entropy = np.linspace(2.5, 0.1, 30)
    rng = np.random.default_rng(3)
    noise = rng.normal(0, 0.002, 30)

    def best(reward: np.ndarray) -> str:
        forms = compare_forms(entropy, reward, steps)
        return min(forms, key=lambda form: form.forecast_error or math.inf).form

    assert best(0.9 - 0.05 * np.exp(entropy) + noise) == "exponential"
    assert best(0.9 - 0.2 * entropy + noise) == "linear"
    assert best(0.1 + 0.1 * np.log(steps) + noise) == "logarithmic"
    with pytest.raises(ValueError, match="steps above 0"):
        compare_forms(entropy, entropy, steps - 1)
