"""What a run says it can see, held against what it does see."""

from __future__ import annotations

import math

import numpy as np
import pytest

from agent.arms import Arm
from agent.decision import Verdict, alpha_for_entrant, expected_entrants, judge
from agent.noise import noise_of, reach_of, sentences
from agent.seeds import every_seed, seed_plan
from agent.settings import RunSettings
from environments.base import Metric, Score
from tests.agent.a_laboratory import settings


def scores(seed_sd: float, sampling_sd: float, cluster_sd: float, seeds: int = 400) -> dict[int, Score]:
    """Tasks in pairs; a training shifts all tasks, each task is drawn anew every time."""
    rng, tasks = np.random.default_rng(0), 200
    names = tuple(str(task // 2) for task in range(tasks))
    easy = 0.5 + np.repeat(rng.normal(0, cluster_sd, tasks // 2), 2)
    found = {}
    for seed in range(seeds):
        values = easy + rng.normal(0, seed_sd) + rng.normal(0, sampling_sd, tasks)
        found[seed] = Score("S", {"S": Metric(float(values.mean()), None, tuple(values.tolist()), names)})
    return found


def test_noise_is_taken_apart_into_what_it_was_made_of() -> None:
    noise = noise_of(scores(0.01, 0.2, 0.3), "S")
    assert noise.seed == pytest.approx(math.hypot(0.01, 0.2 / math.sqrt(200)), rel=0.1)
    assert noise.sampling == pytest.approx(0.2 / math.sqrt(200), rel=0.05)
    assert noise.tasks == pytest.approx(0.3 / math.sqrt(100), rel=0.15)


def test_a_metric_without_tasks_has_seed_noise_only() -> None:
    plain = {seed: Score("S", {"S": Metric(0.5 + 0.01 * seed)}) for seed in range(4)}
    noise = noise_of(plain, "S")
    assert (noise.sampling, noise.tasks, noise.seeds) == (None, None, 4)
    assert "4 seeds" in sentences(noise, reach_of(noise.seed, settings()), "S")[0]


@pytest.mark.parametrize("seeds", [8, 12])
def test_the_gain_that_is_said_to_be_found_four_times_in_five_is(seeds: int) -> None:
    asked = settings().model_copy(update={"seeds": seeds, "attempts": 30})
    reach = reach_of(1.0, asked)
    rng, runs, kept = np.random.default_rng(1), 400, 0
    for _ in range(runs):
        kept += _is_kept(rng, reach.detectable, asked)
    assert kept / runs == pytest.approx(0.8, abs=0.06)
    assert reach.half_needs is not None
    assert reach.half_needs > 2 * seeds
    assert 0.5 < reach.half_passes < 0.8


def _is_kept(rng: np.random.Generator, gain: float, asked: RunSettings) -> bool:
    """Whether an early attempt of this gain is kept by the run's own rule, at a seed deviation of one."""
    baseline = Arm({seed: _plain(rng.normal()) for seed in every_seed(asked.seeds)})
    noise = float(np.std([score.value for score in baseline.scores.values()], ddof=1))
    plan, alpha = (
        seed_plan(asked.seeds),
        alpha_for_entrant(asked.alpha, [], expected_entrants(asked.attempts)),
    )
    scores: dict[int, Score] = {}
    while True:
        ruling = judge(Arm(scores), baseline, baseline, asked, plan=plan, alpha=alpha, noise=noise)
        if isinstance(ruling, Verdict):
            return ruling.outcome == "kept"
        scores[ruling.seed_index] = _plain(gain + rng.normal())


def _plain(value: float) -> Score:
    return Score("S", {"S": Metric(value)})


def test_a_goal_out_of_reach_is_called_so() -> None:
    noise = noise_of(scores(0.02, 0.1, 0.1), "S")
    asked = settings().model_copy(update={"minimum_effect": 0.01})
    told = sentences(noise, reach_of(noise.seed, asked), "S")
    assert told[-1].startswith("OUT OF REACH: +0.01 needs ")
    assert f"this run has {asked.seeds}" in told[-1]
    easy = asked.model_copy(update={"minimum_effect": 1.0})
    assert not any("REACH" in line for line in sentences(noise, reach_of(noise.seed, easy), "S"))
