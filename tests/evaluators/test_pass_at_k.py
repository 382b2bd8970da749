"""What pass@k promises."""

from __future__ import annotations

import json
import statistics
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from evaluators.pass_at_k import best_of_k, mean_pass_at_k, pass_at_k

VECTORS = Path(__file__).parents[1] / "vectors"


def test_pass_at_k_equals_the_published_estimator() -> None:
    vector = json.loads((VECTORS / "entropy" / "pass_at_k_a.json").read_text())
    for row in vector["expected"]["rows"]:
        assert pass_at_k(row["c"], row["n"], row["k"]) == pytest.approx(row["value"], abs=1e-12)


def test_pass_at_k_equals_exact_binomials() -> None:
    vector = json.loads((VECTORS / "diversity" / "pass_at_k_a.json").read_text())
    for case, value in zip(vector["input"]["cases"], vector["expected"]["pass_at_k"], strict=True):
        assert pass_at_k(case["c"], case["n"], case["k"]) == pytest.approx(value, abs=vector["tolerance"])


def test_array_of_counts_gives_what_each_count_gives_alone() -> None:
    counts = np.array([[0, 1, 5], [31, 32, 16]])
    together = pass_at_k(counts, 32, 16)
    assert together.shape == counts.shape
    assert together.ravel().tolist() == [pass_at_k(int(count), 32, 16) for count in counts.ravel()]
    assert pass_at_k([], 32, 16).shape == (0,)


def test_estimate_is_unbiased() -> None:
    rng = np.random.default_rng(0)
    estimates = pass_at_k(rng.binomial(8, 0.3, size=40_000), 8, 4)
    assert estimates.mean() == pytest.approx(1 - 0.7**4, abs=4 * estimates.std() / 200)


@pytest.mark.parametrize(("correct", "samples", "k"), [(1, 4, 5), (1, 4, 0), (5, 4, 1), (-1, 4, 1)])
def test_impossible_counts_are_refused(correct: int, samples: int, k: int) -> None:
    with pytest.raises(ValueError, match=r"pass@k needs|counts of correct"):
        pass_at_k(correct, samples, k)
    with pytest.raises(ValueError, match=r"pass@k needs|counts of correct"):
        pass_at_k(np.array([correct]), samples, k)


def test_fractional_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="whole numbers"):
        pass_at_k(np.array([0.5]), 4, 1)


def test_mean_is_over_tasks_and_its_error_respects_clusters() -> None:
    counts, clusters = [0, 0, 8, 8, 4, 4], list("aabbcc")
    found = mean_pass_at_k(counts, 8, 2, clusters)
    assert found.value == pytest.approx(pass_at_k(counts, 8, 2).mean())
    by_cluster = pass_at_k(counts[::2], 8, 2)
    assert found.standard_error == pytest.approx(by_cluster.std(ddof=1) / np.sqrt(3))
    alone = mean_pass_at_k(counts, 8, 2)
    assert alone.standard_error == pytest.approx(found.per_task.std(ddof=1) / np.sqrt(6))
    assert mean_pass_at_k([3], 8, 2).standard_error is None
    with pytest.raises(ValueError, match="at least one task"):
        mean_pass_at_k([], 8, 2)


def test_interval_of_the_clustered_error_holds_the_truth() -> None:
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(400):
        rates = np.repeat(rng.beta(1, 2, size=40), 3)
        found = mean_pass_at_k(rng.binomial(8, rates), 8, 1, [str(i // 3) for i in range(120)])
        assert found.standard_error is not None
        hits += abs(found.value - 1 / 3) < 1.96 * found.standard_error
    assert 0.90 <= hits / 400 <= 0.98


def test_best_of_k_is_the_mean_of_the_best_over_all_sets() -> None:
    rewards = [0.3, 0.0, 0.9, 0.9, 0.1, 0.55]
    for k in range(1, 7):
        best = statistics.fmean(max(tries) for tries in combinations(rewards, k))
        assert best_of_k(rewards, k) == pytest.approx(best)


@pytest.mark.parametrize("k", [1, 4, 32])
def test_best_of_right_and_wrong_is_pass_at_k(k: int) -> None:
    for right in (0, 1, 7, 32):
        assert best_of_k([1.0] * right + [0.0] * (32 - right), k) == pytest.approx(pass_at_k(right, 32, k))


@pytest.mark.parametrize("k", [0, 4])
def test_best_of_more_than_there_are_is_refused(k: int) -> None:
    with pytest.raises(ValueError, match="best of k needs"):
        best_of_k([0.0, 0.5, 1.0], k)
