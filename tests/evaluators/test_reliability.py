"""Agreement, separation and power: published vectors, references of scipy, and laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evaluators.reliability import (
    area_under_curve,
    deviation_interval,
    intraclass_correlation,
    pairs_needed,
)
from evaluators.significance import needed_seeds

SHROUT_FLEISS = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
FIGURES = st.floats(-100, 100).map(lambda value: round(value, 3))
TABLES = st.integers(2, 4).flatmap(
    lambda repeats: st.lists(st.lists(FIGURES, min_size=repeats, max_size=repeats), min_size=2, max_size=7)
)


def test_agreement_equals_the_published_example() -> None:
    """Shrout and Fleiss 1979, table 4: ICC(1,1) = .17; the interval as R's psych gives it."""
    found = intraclass_correlation(SHROUT_FLEISS)
    assert found.value == pytest.approx(0.1657, abs=5e-4)
    assert (found.low, found.high) == pytest.approx((-0.1329, 0.7226), abs=5e-4)


@settings(deadline=None)
@given(TABLES, st.floats(0.1, 50), FIGURES)
def test_agreement_depends_on_no_unit_and_lies_in_its_interval(
    rows: list[list[float]], scale: float, shift: float
) -> None:
    found = intraclass_correlation(rows)
    moved = intraclass_correlation([[scale * value + shift for value in row] for row in rows])
    assert found.low <= found.value <= found.high <= 1
    assert moved.value == pytest.approx(found.value, abs=1e-5)


def test_policies_that_nothing_tells_apart_do_not_agree() -> None:
    assert intraclass_correlation([[0.5, 0.5]] * 4).value == 0
    assert intraclass_correlation([[0.1, 0.1], [0.2, 0.2], [0.3, 0.3]]).low == 1


@settings(deadline=None)
@given(st.lists(FIGURES, min_size=1, max_size=8), st.lists(FIGURES, min_size=1, max_size=8))
def test_area_under_curve_equals_scipy_and_is_the_rest_of_the_other(a: list[float], b: list[float]) -> None:
    found = area_under_curve(a, b)
    assert found == pytest.approx(float(stats.mannwhitneyu(a, b).statistic) / (len(a) * len(b)))
    assert found + area_under_curve(b, a) == pytest.approx(1)


def test_a_single_pair_says_next_to_nothing_of_a_deviation() -> None:
    low, high = deviation_interval(1.0, 2)
    assert (low, high) == (pytest.approx(0.446, abs=5e-3), pytest.approx(31.9, abs=0.1))


@pytest.mark.parametrize("count", [3, 5, 15])
def test_the_interval_of_a_deviation_holds_as_often_as_it_says(count: int) -> None:
    draws = np.random.default_rng(count).normal(0, 2.0, (4000, count)).std(axis=1, ddof=1)
    held = [low <= 2.0 <= high for low, high in (deviation_interval(float(d), count) for d in draws)]
    assert np.mean(held) == pytest.approx(0.95, abs=0.012)


@pytest.mark.parametrize(("effect", "two_sided", "one_sided"), [(2.0, 5, 4), (1.0, 10, 8), (0.5, 34, 27)])
def test_pairs_needed_are_those_of_the_tables(effect: float, two_sided: int, one_sided: int) -> None:
    assert pairs_needed(effect, 1.0) == two_sided
    assert needed_seeds(effect, 1.0, 0.05) == one_sided


@settings(deadline=None, max_examples=40)
@given(st.floats(0.25, 3), st.floats(1.0, 2.0))
def test_a_smaller_effect_needs_no_fewer_pairs(effect: float, factor: float) -> None:
    more, fewer = pairs_needed(effect, 1.0), pairs_needed(effect * factor, 1.0)
    assert more is not None
    assert fewer is not None
    assert more >= fewer >= 2


@pytest.mark.parametrize("rows", [[[1.0, 2.0]], [[1.0], [2.0]], [[1.0, math.nan], [1.0, 2.0]]])
def test_too_little_to_agree_on_is_refused(rows: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="at least 2 subjects"):
        intraclass_correlation(rows)
