"""What the figures of diversity promise."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from evaluators.diversity import distinct_n, gated_diversity, vendi_score

VECTORS = Path(__file__).parents[1] / "vectors" / "diversity"
ORDERS = {"q1": 1.0, "q2": 2.0, "q0.5": 0.5, "qinf": math.inf}


def kernel_of(features: NDArray[np.float64]) -> NDArray[np.float64]:
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(unit @ unit.T)


kernels = st.tuples(st.integers(1, 12), st.integers(1, 6), st.integers(0, 2**32 - 1)).map(
    lambda drawn: kernel_of(np.random.default_rng(drawn[2]).normal(size=drawn[:2]))
)


@pytest.mark.parametrize("name", ORDERS)
def test_vendi_score_of_every_order_equals_the_published_code(name: str) -> None:
    vector = json.loads((VECTORS / "vendi_score_a.json").read_text())
    expected = pytest.approx(vector["expected"][name], abs=vector["tolerance"])
    assert vendi_score(vector["input"]["kernel"], ORDERS[name]) == expected


@pytest.mark.parametrize("n", [1, 2, 3])
def test_distinct_n_equals_the_hand_count(n: int) -> None:
    vector = json.loads((VECTORS / "distinct_n_a.json").read_text())
    items = [document.split() for document in vector["input"]["documents"]]
    assert distinct_n(items, n) == pytest.approx(vector["expected"][f"distinct_{n}"], abs=vector["tolerance"])


@given(kernels)
def test_vendi_score_lies_between_one_and_the_count_and_falls_with_its_order(
    kernel: NDArray[np.float64],
) -> None:
    scores = [vendi_score(kernel, order) for order in (0.5, 1.0, 1.5, 2.0, math.inf)]
    assert all(after <= before + 1e-6 for before, after in pairwise(scores))
    assert 1.0 - 1e-6 <= scores[-1] <= scores[0] <= len(kernel) + 1e-6


@pytest.mark.parametrize("order", [0.0, 0.5, 1.0, 2.0, math.inf])
def test_equal_items_count_once_and_unlike_ones_each(order: float) -> None:
    assert vendi_score(np.ones((5, 5)), order) == pytest.approx(1.0)
    assert vendi_score(np.eye(5), order) == pytest.approx(5.0)
    blocks = np.kron(np.eye(3), np.ones((4, 4)))
    assert vendi_score(blocks, order) == pytest.approx(3.0)


@given(kernels, st.randoms(use_true_random=False))
def test_vendi_score_does_not_hang_on_the_order_of_the_items(
    kernel: NDArray[np.float64], rng: object
) -> None:
    mixed = list(range(len(kernel)))
    rng.shuffle(mixed)  # type: ignore[attr-defined]
    assert vendi_score(kernel[np.ix_(mixed, mixed)]) == pytest.approx(vendi_score(kernel))


@given(kernels, st.integers(0, 20))
def test_what_fails_the_gate_lowers_diversity(kernel: NDArray[np.float64], failed: int) -> None:
    passed = len(kernel)
    gated = gated_diversity(kernel, passed + failed)
    assert gated * (passed + failed) == pytest.approx(vendi_score(kernel))
    assert 0.0 <= gated <= 1.0 + 1e-9
    assert gated_diversity(kernel, passed + failed + 1) < gated


def test_nothing_that_passed_is_no_diversity() -> None:
    assert gated_diversity(np.zeros((0, 0)), 8) == 0.0
    assert distinct_n([[1], []], 2) is None


@pytest.mark.parametrize(
    ("kernel", "says"),
    [
        ([[1.0, 0.5]], "square"),
        ([], "square"),
        ([[1.0, 0.2], [0.3, 1.0]], "symmetric"),
        ([[0.5]], "ones on its diagonal"),
        ([[1.0, 2.0], [2.0, 1.0]], "negative eigenvalue"),
    ],
)
def test_what_is_no_kernel_is_refused(kernel: list[list[float]], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        vendi_score(kernel)


def test_impossible_demands_are_refused() -> None:
    with pytest.raises(ValueError, match="order"):
        vendi_score(np.eye(2), -1.0)
    with pytest.raises(ValueError, match="order"):
        vendi_score(np.eye(2), math.nan)
    with pytest.raises(ValueError, match="passed a gate"):
        gated_diversity(np.eye(3), 2)
    with pytest.raises(ValueError, match="at least one token"):
        distinct_n([[1, 2]], 0)
