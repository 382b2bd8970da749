"""Scores of the shipped policy and of ones that a sceptic would try to win with."""

from __future__ import annotations

import random
import statistics
from pathlib import Path

import numpy as np
import pytest
import torch

from environments.base import Score, Split, Task
from environments.melody.environment import MelodyEnvironment
from environments.melody.music import Melody, Scale, broken_rules, prompt_of, read_prompt, written
from environments.melody.taste import FINE, likeness, taste
from environments.melody.warm_start import demonstrated
from evaluators.diversity import gated_diversity
from evaluators.policy import load_policy, save_policy

SAMPLES = 32


@pytest.fixture(scope="module")
def score(melodies: MelodyEnvironment) -> Score:
    return melodies.score(melodies.starting_policy(), Split.SELECTION, seed=3)


def scaled(domain: MelodyEnvironment, factor: float, folder: Path) -> Score:
    """Of the shipped policy with its logits times a factor: below 1 noise, above 1 sameness."""
    policy = load_policy(domain.starting_policy())
    with torch.no_grad():
        policy.lm_head.weight *= factor
    save_policy(policy, folder)
    return domain.score(folder, Split.SELECTION, seed=3)


def test_score_has_every_metric_of_the_spec_in_range(melodies: MelodyEnvironment, score: Score) -> None:
    assert score.primary == melodies.spec.metric
    for name in melodies.spec.metrics:
        metric = score.metrics[name]
        assert 0.0 <= metric.value <= 1.0
        assert len(metric.per_task) == len(metric.cluster) == melodies.scored_tasks
        assert metric.value == pytest.approx(statistics.fmean(metric.per_task))
    assert all(guard.metric in score.metrics for guard in melodies.spec.guards)
    assert not any(name.startswith("pass_at") for name in score.metrics)
    gates = [score.metrics[name].value for name in ("validity", "fine", "distinct_fine", "fine_diversity")]
    assert gates == sorted(gates, reverse=True)
    assert score.metrics["diversity"].value <= score.metrics["validity"].value


def test_scoring_again_gives_the_same_score_and_another_seed_another(
    melodies: MelodyEnvironment, score: Score
) -> None:
    assert melodies.score(melodies.starting_policy(), Split.SELECTION, seed=3) == score
    assert melodies.score(melodies.starting_policy(), Split.SELECTION, seed=4) != score
    assert Score.from_json(score.to_json()) == score


def test_neither_noise_nor_sameness_wins(melodies: MelodyEnvironment, score: Score, tmp_path: Path) -> None:
    noise = scaled(melodies, 0.2, tmp_path / "noise")
    sameness = scaled(melodies, 50.0, tmp_path / "sameness")
    entropies = [one.metrics["entropy"].value for one in (sameness, score, noise)]
    assert entropies == sorted(entropies)
    assert noise.value < score.value / 4
    assert sameness.metrics["validity"].value > score.metrics["validity"].value
    assert sameness.value < score.value / 4


def test_figures_of_one_task_are_those_counted_by_hand() -> None:
    rng = np.random.default_rng(0)
    scale, opening = read_prompt("MEL C major C4 E4 D4 >")
    tunes = [
        (60, 64, 62, 65, 69, 67, 65, 69, 67, 64, 62, 60),
        (60, 64, 62, 64, 65, 67, 65, 69, 67, 64, 62, 60),
        (60, 64, 62, 62, 64, 64, 62, 62, 64, 64, 60, 60),
    ]
    assert all(not broken_rules(scale, tune) for tune in tunes)
    answers = [written(tune[3:]) for tune in tunes for _ in range(2)] + ["Db4 " * 9, ""]
    shuffled = [answers[index] for index in rng.permutation(len(answers))]
    domain, task = MelodyEnvironment(), Task(prompt_of(scale, opening), "")
    figures = domain.task_metrics(task, shuffled, [domain.reward(task, answer) for answer in shuffled])
    fine = [tune for tune in tunes for _ in range(2) if taste(tune) >= FINE]
    assert figures["validity"] == 6 / 8
    assert figures["fine"] == len(fine) / 8 > 0
    assert figures["distinct_fine"] == len(fine) / 16
    assert figures["fine_diversity"] == pytest.approx(gated_diversity(likeness(fine), 8))
    assert figures["reward"] == pytest.approx(sum(0.3 + 0.7 * taste(tune) for tune in tunes) / 4)
    assert figures["best_of_8"] == pytest.approx(0.3 + 0.7 * max(map(taste, tunes)))


def test_a_policy_that_knows_one_melody_scores_a_thirty_second_of_one_that_knows_all() -> None:
    domain, (scale, melody) = MelodyEnvironment(), fine_demonstration()
    task, answer = Task(prompt_of(scale, melody[:3]), ""), written(melody[3:])
    figures = domain.task_metrics(task, [answer] * SAMPLES, [1.0] * SAMPLES)
    assert figures["fine_diversity"] == figures["distinct_fine"] == pytest.approx(1 / SAMPLES)
    assert figures["validity"] == figures["fine"] == 1.0


def fine_demonstration() -> tuple[Scale, Melody]:
    rng = random.Random(0)
    while True:
        scale, melody = demonstrated(rng)
        if not broken_rules(scale, melody) and taste(melody) >= FINE:
            return scale, melody
