"""Rank correlation is Spearman's."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from evaluators.rank_correlation import rank_correlation

pairs = st.lists(st.tuples(st.integers(-5, 5), st.floats(-1e6, 1e6)), min_size=2, max_size=30)


@given(pairs)
def test_it_is_scipys_with_ties_and_without(drawn: list[tuple[int, float]]) -> None:
    first, second = map(list, zip(*drawn, strict=True))
    assume(len(set(first)) > 1 and len(set(second)) > 1)
    assert rank_correlation(first, second) == pytest.approx(float(spearmanr(first, second).statistic))


def test_what_does_not_vary_has_none_and_unpaired_values_are_refused() -> None:
    assert rank_correlation([1.0, 1.0], [1.0, 2.0]) is None
    assert rank_correlation([], []) is None
    with pytest.raises(ValueError, match="cannot be paired"):
        rank_correlation([1.0], [])
