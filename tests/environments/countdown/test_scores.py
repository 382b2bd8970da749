"""Scores of the shipped policy, of worse ones and of what is no policy."""

from __future__ import annotations

import statistics
from pathlib import Path

import numpy as np
import pytest
import torch

from environments import language
from environments.base import InvalidPolicy, Score, Split
from environments.countdown.arithmetic import SPLIT_OF
from environments.countdown.environment import Countdown
from evaluators.clustered import clustered_standard_error
from evaluators.policy import Policy, PolicyConfig, load_policy, save_policy


@pytest.fixture(scope="module")
def score(domain: Countdown) -> Score:
    return domain.score(domain.starting_policy(), Split.SELECTION, seed=3)


def test_shipped_policy_solves_a_quarter_of_tasks_it_never_saw(score: Score) -> None:
    solved = score.metrics["pass_at_1"]
    assert solved.value >= 0.25
    assert {SPLIT_OF[tuple(map(int, name.split("-")))] for name in solved.cluster} == {Split.SELECTION}


def test_shipped_weights_are_smaller_than_a_megabyte() -> None:
    assert (Countdown().starting_policy() / "model.safetensors").stat().st_size < 1_000_000


def test_score_has_every_metric_of_the_spec_in_range(domain: Countdown, score: Score) -> None:
    low, high = domain.spec.range
    assert score.primary == domain.spec.metric
    for name in domain.spec.metrics:
        metric = score.metrics[name]
        assert low <= metric.value <= high
        assert len(metric.per_task) == len(metric.cluster) == domain.scored_tasks
        assert metric.value == pytest.approx(statistics.fmean(metric.per_task))
        assert metric.standard_error == clustered_standard_error(metric.per_task, metric.cluster)
    rising = [score.metrics[f"pass_at_{k}"].value for k in language.PASS_AT]
    assert rising == sorted(rising)
    assert score.value == pytest.approx(statistics.fmean(rising))
    assert all(guard.metric in score.metrics for guard in domain.spec.guards)


def test_scoring_again_gives_the_same_score_and_another_seed_another(domain: Countdown, score: Score) -> None:
    assert domain.score(domain.starting_policy(), Split.SELECTION, seed=3) == score
    assert domain.score(domain.starting_policy(), Split.SELECTION, seed=4) != score


def test_score_survives_json(score: Score) -> None:
    assert Score.from_json(score.to_json()) == score


def test_worse_policy_scores_worse(domain: Countdown, score: Score, tmp_path: Path) -> None:
    policy = load_policy(domain.starting_policy())
    with torch.no_grad():
        policy.lm_head.weight *= 0.3
    save_policy(policy, tmp_path)
    assert domain.score(tmp_path, Split.SELECTION, seed=3).value < score.value - 0.1


def test_policy_of_another_shape_is_invalid(domain: Countdown, tmp_path: Path) -> None:
    config = PolicyConfig.read(domain.starting_policy())
    save_policy(Policy(PolicyConfig(**{**vars(config), "num_hidden_layers": 3})), tmp_path)
    with pytest.raises(InvalidPolicy, match="another shape"):
        domain.score(tmp_path, Split.SELECTION, seed=0)


def test_policy_with_nan_or_missing_weights_is_invalid(domain: Countdown, tmp_path: Path) -> None:
    with pytest.raises(InvalidPolicy, match="cannot be read"):
        domain.score(tmp_path / "none", Split.SELECTION, seed=0)
    policy = load_policy(domain.starting_policy())
    with torch.no_grad():
        policy.lm_head.weight[0, 0] = float("nan")
    save_policy(policy, tmp_path)
    with pytest.raises(InvalidPolicy, match="NaN"):
        domain.score(tmp_path, Split.SELECTION, seed=0)


def test_standard_error_is_that_of_resampling_whole_clusters() -> None:
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 9, size=80)
    groups = [rng.normal(rng.normal(0.4, 0.2), 0.1, size=size) for size in sizes]
    clusters = [str(index) for index, group in enumerate(groups) for _ in group]
    values = [float(value) for group in groups for value in group]
    sums = np.array([group.sum() for group in groups])
    picks = rng.integers(0, len(groups), size=(20_000, len(groups)))
    means = sums[picks].sum(axis=1) / sizes[picks].sum(axis=1)
    error = clustered_standard_error(values, clusters)
    assert error == pytest.approx(float(means.std()), rel=0.05)
    naive = statistics.stdev(values) / len(values) ** 0.5
    assert error is not None
    assert error > 1.5 * naive


def test_standard_error_of_single_tasks_is_the_ordinary_one() -> None:
    values = [0.0, 1.0, 0.25, 0.5, 1.0]
    ordinary = statistics.stdev(values) / len(values) ** 0.5
    assert clustered_standard_error(values, list("abcde")) == pytest.approx(ordinary)
    assert clustered_standard_error(values, list("aaaaa")) is None
