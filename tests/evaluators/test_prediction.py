"""A prediction bound is held to what it promises by drawing many more observations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.prediction import lower_prediction_bound


def draw(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    return np.asarray(0.3 + 2.0 * x + 0.5 * rng.normal(size=x.shape))


@pytest.mark.parametrize("count", [4, 8, 30])
def test_one_more_observation_falls_short_as_often_as_it_may(count: int) -> None:
    rng = np.random.default_rng(count)
    short = 0
    for _ in range(4000):
        x = rng.normal(size=count)
        at = np.array([1.5])
        bound = lower_prediction_bound(list(x), list(draw(rng, x)), [1.5], 0.05)
        short += bool(draw(rng, at)[0] < bound)
    assert short / 4000 == pytest.approx(0.05, abs=0.012)


def test_an_observation_whose_place_is_drawn_falls_short_as_often_as_it_may() -> None:
    rng = np.random.default_rng(1)
    places, weights, short = np.array([-1.0, 0.5, 2.0]), [0.2, 0.5, 0.3], 0
    for _ in range(4000):
        x = rng.normal(size=9)
        bound = lower_prediction_bound(list(x), list(draw(rng, x)), list(places), 0.05, weights)
        short += bool(draw(rng, rng.choice(places, size=1, p=weights))[0] < bound)
    assert short / 4000 == pytest.approx(0.05, abs=0.012)


def test_a_constant_x_leaves_the_mean_of_y() -> None:
    rng = np.random.default_rng(0)
    short = 0
    for _ in range(4000):
        y = rng.normal(size=6)
        short += bool(rng.normal() < lower_prediction_bound([1.0] * 6, list(y), [1.0], 0.05))
    assert short / 4000 == pytest.approx(0.05, abs=0.012)


@given(
    y=st.lists(st.floats(-5, 5), min_size=3, max_size=12),
    shift=st.floats(-3, 3),
    scale=st.floats(0.1, 10),
)
def test_the_bound_moves_with_the_units(y: list[float], shift: float, scale: float) -> None:
    x = list(range(len(y)))
    bound = lower_prediction_bound(x, y, [2.5], 0.05)
    moved = lower_prediction_bound(x, [shift + scale * value for value in y], [2.5], 0.05)
    assert moved == pytest.approx(shift + scale * bound, abs=1e-6)


@pytest.mark.parametrize(
    ("x", "y", "chance", "told"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0.05, "3 pairs"),
        ([1.0, 2.0, 3.0], [1.0, 2.0], 0.05, "3 and 2 values"),
        ([1.0, 2.0, float("nan")], [1.0, 2.0, 3.0], 0.05, "finite"),
        ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], 0.5, "chance"),
    ],
)
def test_what_is_no_line_is_refused(x: list[float], y: list[float], chance: float, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        lower_prediction_bound(x, y, [0.0], chance)
