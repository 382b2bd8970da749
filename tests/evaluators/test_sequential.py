"""Thresholds that spend what they may, no more and not much less, whatever the variance."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import stdtr

from evaluators.sequential import spending, t_thresholds


def crossings(thresholds: tuple[float, ...], runs: int, deviation: float) -> list[float]:
    """How often the first p-value to reach its threshold is the one at each look, over simulated nulls."""
    rng = np.random.default_rng(3)
    values = deviation * rng.standard_normal((len(thresholds), runs))
    alive, shares = np.ones(runs, dtype=bool), []
    for look in range(2, len(thresholds) + 1):
        seen = values[:look]
        t = seen.mean(axis=0) / (seen.std(axis=0, ddof=1) / math.sqrt(look))
        crossed = alive & (stdtr(look - 1, -t) <= thresholds[look - 1])
        shares.append(float(crossed.mean()))
        alive &= ~crossed
    return shares


@pytest.mark.parametrize(("alpha", "seeds"), [(0.05, 12), (0.01, 8), (0.2, 6)])
@pytest.mark.parametrize("deviation", [1.0, 1e-3])
def test_a_race_without_effect_is_won_as_often_as_was_allowed(
    alpha: float, seeds: int, deviation: float
) -> None:
    spent = spending(alpha, range(min(5, seeds), seeds + 1), seeds, 1.5)
    runs = 200_000
    shares = crossings(t_thresholds(spent), runs, deviation)
    for share, allowed in zip(shares, spent[1:], strict=True):
        assert share == pytest.approx(allowed, abs=5 * math.sqrt(allowed / runs) + 1e-9)
    assert sum(shares) == pytest.approx(alpha, rel=0.05)


def test_a_single_look_has_the_threshold_of_the_plain_test() -> None:
    for seeds in (2, 5, 12):
        assert t_thresholds(spending(0.02, [seeds], seeds, 1.5))[-1] == pytest.approx(0.02, rel=0.01)


@settings(max_examples=12, deadline=None)
@given(st.floats(1e-4, 0.3), st.integers(5, 20))
def test_thresholds_are_nowhere_below_what_adding_up_would_allow(alpha: float, seeds: int) -> None:
    spent = spending(alpha, range(5, seeds + 1), seeds, 1.5)
    assert math.fsum(spent) == pytest.approx(alpha)
    thresholds = t_thresholds(spent)
    assert all(t >= 0.98 * share for t, share in zip(thresholds, spent, strict=True))
    assert thresholds[:4] == (0.0,) * 4
    assert max(thresholds) <= alpha * 1.02


@pytest.mark.parametrize("spent", [(), (0.1, 0.1), (0.0, -0.1), (0.0, 0.5, 0.5)])
def test_what_cannot_be_spent_is_refused(spent: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="shares of at least 0"):
        t_thresholds(spent)
