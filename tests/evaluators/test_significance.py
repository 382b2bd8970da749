"""What intervals and tests of paired differences promise."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from evaluators.significance import (
    crossed_interval,
    least_significant_change,
    needed_seeds,
    paired_interval,
    paired_test,
    welch_lower_bound,
)


def test_paired_test_equals_scipy() -> None:
    differences = [0.004, 0.009, -0.001, 0.006]
    mine, reference = paired_test(differences), stats.ttest_1samp(differences, 0, alternative="greater")
    assert mine.p_value == pytest.approx(reference.pvalue)
    assert mine.change == pytest.approx(np.mean(differences))
    interval = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert paired_interval(differences) == pytest.approx(tuple(interval))


def test_least_significant_change_passes_the_t_test_and_nothing_below_does() -> None:
    noise = np.random.default_rng(3).normal(0, 1, 12)
    unit = (noise - noise.mean()) / noise.std(ddof=1)
    least = least_significant_change(2.0, 12, 0.009)
    assert paired_test(list(2.0 * unit + least)).p_value == pytest.approx(0.009)
    assert paired_test(list(2.0 * unit + 0.99 * least)).p_value > 0.009


def test_welch_lower_bound_equals_scipy() -> None:
    ours, theirs = [0.44, 0.43, 0.47, 0.45], [0.46, 0.45, 0.455, 0.47, 0.44, 0.46]
    reference = stats.ttest_ind(ours, theirs, equal_var=False, alternative="greater")
    found = welch_lower_bound(ours, theirs, 0.99)
    assert found.bound == pytest.approx(reference.confidence_interval(0.99).low)
    assert found.change == pytest.approx(np.mean(ours) - np.mean(theirs))


def test_differences_that_do_not_vary_prove_nothing() -> None:
    assert paired_test([0.01, 0.01, 0.01]).p_value == 1.0


@pytest.mark.parametrize(
    ("clusters", "seed_sd", "cluster_sd", "noise_sd"),
    [(60, 0.01, 0.05, 0.05), (60, 0.03, 0.0, 0.02), (200, 0.0, 0.1, 0.02), (60, 0.0, 0.0, 0.1)],
)
def test_crossed_interval_covers_the_truth_whichever_source_of_noise_dominates(
    clusters: int, seed_sd: float, cluster_sd: float, noise_sd: float
) -> None:
    rng = np.random.default_rng(1)
    names = [str(task // 3) for task in range(3 * clusters)]
    repeats, covered = 400, 0
    for _ in range(repeats):
        differences = (
            0.02
            + rng.normal(0, seed_sd, (5, 1))
            + np.repeat(rng.normal(0, cluster_sd, clusters), 3)
            + rng.normal(0, noise_sd, (5, 3 * clusters))
        )
        low, high = crossed_interval(differences, names, 0.95).interval
        covered += low <= 0.02 <= high
    assert covered / repeats >= 0.95 - 2 * (0.95 * 0.05 / repeats) ** 0.5


def test_tasks_of_one_cluster_are_not_counted_as_independent() -> None:
    rng = np.random.default_rng(2)
    one_each = rng.normal(0, 0.1, (5, 1)) * 0.01 + rng.normal(0, 0.1, 80)
    tripled = np.repeat(one_each, 3, axis=1)
    alone = crossed_interval(one_each, [str(task) for task in range(80)])
    together = crossed_interval(tripled, [str(task // 3) for task in range(240)])
    assert together.standard_error == pytest.approx(alone.standard_error)
    assert crossed_interval(tripled, [str(task) for task in range(240)]).cluster_se < alone.cluster_se  # type: ignore[operator]


def test_clusters_may_differ_from_seed_to_seed() -> None:
    differences = np.random.default_rng(3).normal(0.1, 0.1, (3, 8))
    names = [[f"{(seed + task) % 5}" for task in range(8)] for seed in range(3)]
    assert crossed_interval(differences, names).cluster_se is not None


def test_a_single_cluster_leaves_the_interval_of_the_seeds() -> None:
    result = crossed_interval([[0.1], [0.2], [0.4]], ["only"])
    assert result.cluster_se is None
    assert result.interval == pytest.approx(paired_interval([0.1, 0.2, 0.4]))


def test_seeds_needed_equal_the_noncentral_t() -> None:
    vector = json.loads(
        (Path(__file__).parents[1] / "vectors" / "diversity" / "needed_seeds_a.json").read_text()
    )
    for case, expected in zip(vector["input"]["cases"], vector["expected"]["cases"], strict=True):
        found = needed_seeds(case["min_effect"], case["sd_of_paired_difference"], 0.05)
        assert found == expected["seeds_one_sided"]
    assert needed_seeds(0.0001, 0.02, 0.05) is None
    assert needed_seeds(-0.01, 0.02, 0.05) is None


def test_too_few_seeds_or_unmatched_clusters_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 differences"):
        paired_test([0.1])
    with pytest.raises(ValueError, match="at least 2 seeds"):
        crossed_interval([[0.1, 0.2]], ["a", "b"])
    with pytest.raises(ValueError, match="do not name the tasks"):
        crossed_interval([[0.1, 0.2], [0.1, 0.2]], ["a"])
    with pytest.raises(ValueError, match="finite"):
        paired_test([0.1, float("nan")])
