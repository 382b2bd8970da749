"""A prediction bound is held to what it promises by drawing many more observations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.parallel_lines import fit_parallel
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
        bound = lower_prediction_bound(fit_parallel(x, draw(rng, x), ["a"] * count), "a", [1.5], 0.05, [1.0])
        short += bool(draw(rng, at)[0] < bound)
    assert short / 4000 == pytest.approx(0.05, abs=0.012)


def test_an_observation_whose_place_is_drawn_falls_short_as_often_as_it_may() -> None:
    rng = np.random.default_rng(1)
    places, weights, short = np.array([-1.0, 0.5, 2.0]), [0.2, 0.5, 0.3], 0
    for _ in range(4000):
        x = rng.normal(size=9)
        lines = fit_parallel(x, draw(rng, x), ["a"] * 9)
        bound = lower_prediction_bound(lines, "a", list(places), 0.05, weights)
        short += bool(draw(rng, rng.choice(places, size=1, p=weights))[0] < bound)
    assert short / 4000 == pytest.approx(0.05, abs=0.012)


def test_a_constant_x_leaves_the_mean_of_y() -> None:
    rng = np.random.default_rng(0)
    short = 0
    for _ in range(4000):
        y = rng.normal(size=6)
        lines = fit_parallel([1.0] * 6, y, ["a"] * 6)
        short += bool(rng.normal() < lower_prediction_bound(lines, "a", [1.0], 0.05, [1.0]))
    assert short / 4000 == pytest.approx(0.05, abs=0.012)


@given(
    y=st.lists(st.floats(-5, 5), min_size=3, max_size=12),
    shift=st.floats(-3, 3),
    scale=st.floats(0.1, 10),
)
def test_the_bound_moves_with_the_units(y: list[float], shift: float, scale: float) -> None:
    x = list(range(len(y)))
    bound, moved = (
        lower_prediction_bound(fit_parallel(x, values, ["a"] * len(x)), "a", [2.5], 0.05, [1.0])
        for values in (y, [shift + scale * value for value in y])
    )
    assert moved == pytest.approx(shift + scale * bound, abs=1e-6)


def test_an_observation_of_a_group_at_another_height_falls_short_as_often_as_it_may() -> None:
    rng = np.random.default_rng(2)
    short, groups = 0, ["a"] * 7 + ["b"] * 3
    for _ in range(4000):
        x, height = rng.normal(size=10), np.array([0.0] * 7 + [5.0] * 3)
        lines = fit_parallel(x, draw(rng, x) + height, groups)
        bound = lower_prediction_bound(lines, "b", [1.5], 0.05, [1.0])
        short += bool(draw(rng, np.array([1.5]))[0] + 5.0 < bound)
    assert short / 4000 == pytest.approx(0.05, abs=0.012)


@pytest.mark.parametrize(
    ("x", "y", "told"),
    [
        ([1.0, 2.0], [1.0, 2.0], "leave nothing to tell"),
        ([1.0, 2.0, 3.0], [1.0, 2.0], "got 3, 2, 3"),
        ([1.0, 2.0, float("nan")], [1.0, 2.0, 3.0], "finite"),
    ],
)
def test_what_is_no_line_is_refused(x: list[float], y: list[float], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        fit_parallel(x, y, ["a"] * len(x))


def test_no_chance_above_a_half_and_no_weight_are_refused() -> None:
    lines = fit_parallel([1.0, 2.0, 3.0], [1.0, 2.5, 3.0], ["a"] * 3)
    with pytest.raises(ValueError, match="chance"):
        lower_prediction_bound(lines, "a", [0.0], 0.5, [1.0])
    with pytest.raises(ValueError, match="weight"):
        lower_prediction_bound(lines, "a", [0.0], 0.05, [0.0])
