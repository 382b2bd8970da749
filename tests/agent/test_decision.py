"""What verdicts, confirmation and the frontier promise."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.arms import Arm, GuardResult, InvalidComparison
from agent.decision import (
    FIRST_LOOK,
    NeedSeed,
    Verdict,
    alpha_for_entrant,
    judge,
    threshold_at_look,
)
from agent.seeds import seed_plan
from agent.winner import above_frontier, judge_confirmation
from benchmarks.false_keeps import Arms, Draw, Told, by_the_product, collapsing, normal, plain
from environments.base import Guard, Metric, Score

SEEDS = 5


@dataclass(frozen=True)
class Rules:
    metric: str = "S"
    direction: str = "maximise"
    guards: tuple[Guard, ...] = (Guard("pass@1", 0.02),)
    minimum_effect: float = 0.0


def arm(values: Sequence[float], guard: Sequence[float] | float = 0.45, first: int = 0) -> Arm:
    guards = [guard] * len(values) if isinstance(guard, float) else list(guard)
    return Arm(
        {
            first + index: Score("S", {"S": Metric(value), "pass@1": Metric(held)})
            for index, (value, held) in enumerate(zip(values, guards, strict=True))
        }
    )


BASELINE = arm([0.6690, 0.6702, 0.6684, 0.6695, 0.6689, 0.6706])
BASELINE_VALUES = [score.value for score in BASELINE.scores.values()]
NOISE = 0.003


def shown(attempt: Arm, seeds: int) -> Arm:
    return Arm({seed: score for seed, score in attempt.scores.items() if seed < seeds})


def race(
    attempt: Arm,
    comparator: Arm = BASELINE,
    baseline: Arm = BASELINE,
    rules: Rules = Rules(),
    alpha: float = 0.02,
) -> tuple[Verdict, int]:
    """Give seeds as they are asked for; returns the verdict and how many seeds were trained."""
    trained = 0
    while True:
        answer = judge(
            shown(attempt, trained),
            comparator,
            baseline,
            rules,
            plan=seed_plan(SEEDS),
            alpha=alpha,
            noise=NOISE,
        )
        if isinstance(answer, Verdict):
            return answer, trained
        assert answer.seed_index == trained
        trained += 1


def above(baseline: Arm, gains: Sequence[float]) -> list[float]:
    return [baseline.scores[seed].value + gain for seed, gain in enumerate(gains)]


def test_clear_gain_is_kept_after_all_seeds_with_its_figures() -> None:
    verdict, trained = race(arm(above(BASELINE, [0.007, 0.009, 0.008, 0.010, 0.0085, 0.0095])))
    assert (verdict.outcome, trained, verdict.seeds, verdict.alpha_spent) == ("kept", 6, 5, 0.02)
    assert verdict.change == pytest.approx(0.009)
    assert verdict.interval is not None
    assert verdict.interval[0] < 0.009 < verdict.interval[1]
    assert "+0.00900 ± 0.000354 on 5 seeds" in verdict.reason
    assert verdict.guards[0].holds


def test_screening_seed_decides_who_enters_and_is_never_evidence() -> None:
    verdict, trained = race(arm(above(BASELINE, [0.0005, 0.02, 0.02, 0.021, 0.02, 0.02])))
    assert (verdict.outcome, trained, verdict.seeds, verdict.alpha_spent) == ("reverted", 1, 0, 0.0)
    assert re.fullmatch(
        r"screened out: [+-][0-9.e-]+ on the screening seed \(seed noise [0-9.e-]+\), [+-][0-9.e-]+ enters",
        verdict.reason,
    )
    lucky, _ = race(arm(above(BASELINE, [0.9, 0.001, 0.002, -0.002, 0.003, 0.001])))
    assert lucky.change == pytest.approx(0.001 / 3), "0.9 on the screening seed is no evidence"


@settings(max_examples=60, deadline=None)
@given(
    st.floats(-0.02, 0.02),
    st.lists(st.floats(0.0, 1.0), min_size=SEEDS, max_size=SEEDS),
    st.lists(st.floats(0.0, 1.0), min_size=SEEDS, max_size=SEEDS),
)
def test_who_enters_never_hangs_on_the_comparators_evidence(
    gain: float, guards: list[float], evidence: list[float]
) -> None:
    first, *_, usual, other = screening = [0.669, *[0.668] * SEEDS, 0.6713, 0.6674]
    told = judge_screening(first + gain, arm(screening))
    moved = arm([first, *evidence, usual, other], [0.45, *guards, 0.45, 0.45])
    assert judge_screening(first + gain, moved) == told
    assert judge_screening(first + gain, Arm({seed: moved.scores[seed] for seed in (0, 6, 7)})) == told


def test_who_enters_hangs_on_every_screening_seed_of_the_comparator() -> None:
    gain = 0.75 * NOISE + 0.0005
    level = arm([0.669] * (SEEDS + 3))
    assert isinstance(judge_screening(0.669 + gain, level), NeedSeed)
    for seed in (0, SEEDS + 1, SEEDS + 2):
        score = Score("S", {"S": Metric(0.69), "pass@1": Metric(0.45)})
        higher = Arm({**level.scores, seed: score})
        verdict = judge_screening(0.669 + gain, higher)
        assert isinstance(verdict, Verdict)
        assert (verdict.outcome, verdict.seeds) == ("reverted", 0)


def judge_screening(score: float, comparator: Arm) -> Verdict | NeedSeed:
    """What the screening seed alone decides of an attempt against a comparator that is not the baseline."""
    return judge(arm([score]), comparator, BASELINE, Rules(), plan=seed_plan(SEEDS), alpha=0.02, noise=NOISE)


def test_attempt_without_gain_costs_few_seeds_but_its_alpha() -> None:
    verdict, trained = race(arm(above(BASELINE, [0.004, 0.001, -0.003, -0.001, 0.1, 0.1])))
    assert (verdict.outcome, trained, verdict.alpha_spent) == ("reverted", 3, 0.02)


def test_undecided_attempt_says_how_many_seeds_it_needs() -> None:
    verdict, trained = race(arm(above(BASELINE, [0.004, 0.004, 0.008, 0.003, 0.009, -0.001])))
    assert (verdict.outcome, trained) == ("inconclusive", 6)
    assert "seeds to decide" in verdict.reason
    needed = int(verdict.reason.split("needs about ")[1].split()[0])
    assert 6 <= needed <= 99


def test_guard_is_held_against_the_baseline_and_not_the_incumbent() -> None:
    gains = [0.007, 0.009, 0.008, 0.010, 0.0085, 0.0095]
    incumbent = arm(BASELINE_VALUES, guard=0.435)
    jitter = [0.012, -0.001, 0.002, 0.0, -0.002, 0.001]
    verdict, _ = race(arm(above(BASELINE, gains), [0.420 + step for step in jitter]), comparator=incumbent)
    assert verdict.outcome == "reverted"
    assert "guard pass@1 is -0.0295" in verdict.reason


def test_clear_guard_violation_ends_the_race_early() -> None:
    gains = above(BASELINE, [0.007, 0.009, 0.008, 0.010, 0.0085, 0.0095])
    screened, trained = race(arm(gains, 0.40))
    assert (screened.outcome, trained) == ("reverted", 1)
    assert "guard pass@1" in screened.reason
    ended, trained = race(arm(gains, [0.44, 0.420, 0.422, 0.420, 0.421, 0.42]))
    assert (ended.outcome, trained) == ("reverted", 3)
    assert "guard pass@1" in ended.reason


def test_guard_that_is_not_shown_to_hold_prevents_keeping() -> None:
    gains = above(BASELINE, [0.007, 0.009, 0.008, 0.010, 0.0085, 0.0095])
    verdict, _ = race(arm(gains, [0.44, 0.420, 0.455, 0.41, 0.46, 0.44]))
    assert verdict.outcome == "inconclusive"
    assert "guard pass@1" in verdict.reason


def test_minimised_metric_is_kept_when_it_falls() -> None:
    falling = [-gain for gain in (0.007, 0.009, 0.008, 0.010, 0.0085, 0.0095)]
    rules = Rules(direction="minimise")
    verdict, _ = race(arm(above(BASELINE, falling)), rules=rules)
    assert (verdict.outcome, round(verdict.change or 0, 6)) == ("kept", -0.009)
    assert race(arm(above(BASELINE, [-gain for gain in falling])), rules=rules)[0].outcome == "reverted"


def test_measurements_that_cannot_be_trusted_are_void() -> None:
    assert race(arm([0.68, math.nan]))[0].outcome == "void"
    same = race(arm(above(BASELINE, [0.01] * 6)))[0]
    assert same.outcome == "void"
    assert "fixed seed" in same.reason


def test_missing_seed_or_metric_is_named() -> None:
    with pytest.raises(InvalidComparison, match="seed 1 is missing"):
        race(arm(above(BASELINE, [0.01, 0.01])), comparator=shown(BASELINE, 1))
    with pytest.raises(InvalidComparison, match="no metric bleu"):
        race(BASELINE, rules=Rules(metric="bleu"))


def test_alpha_over_all_entrants_never_exceeds_the_runs() -> None:
    for expected in (2, 5, 10):
        spent = [alpha_for_entrant(0.1, ["reverted"] * done, expected) for done in range(60)]
        assert sum(spent) <= 0.1 * (1 + 1e-12)
        assert min(spent) > 0
        assert spent[0] == pytest.approx(0.09 / expected)
    assert alpha_for_entrant(0.1, ["kept"], 5) == pytest.approx(2 * alpha_for_entrant(0.1, [], 5))
    assert alpha_for_entrant(0.1, ["kept", "reverted"], 5) == alpha_for_entrant(0.1, [], 5)


def tenfold(rng: np.random.Generator, effect: float) -> Draw:
    deviation = math.exp(rng.uniform(-1.15, 1.15))
    return lambda: plain(effect + deviation * rng.normal())


@pytest.mark.parametrize("seeds", [SEEDS, 8])
@pytest.mark.parametrize("arms", [normal, tenfold, collapsing])
def test_null_edits_are_kept_no_more_often_than_alpha(arms: Arms, seeds: int) -> None:
    told, rng, runs = Told(), np.random.default_rng(7), 600
    for _ in range(runs):
        by_the_product(arms, rng, [0.0] * 30, told, seeds)
    assert told.wrong / runs <= 0.1 + 2 * (0.1 * 0.9 / runs) ** 0.5


def test_a_clear_winner_is_kept_before_all_seeds_are_spent() -> None:
    gains = [0.020, 0.021, 0.019, 0.022, 0.018, 0.020, 0.0, 0.0, 0.0]
    baseline = arm([0.669] * 12)
    judged = [
        judge(arm([0.669 + gain for gain in gains[:shown]]), baseline, baseline, Rules(), plan=seed_plan(9),
              alpha=0.009, noise=NOISE)
        for shown in range(1, FIRST_LOOK + 2)
    ]  # fmt: skip
    assert all(isinstance(ruling, NeedSeed) for ruling in judged[:-1]), (
        "nothing is kept before the first look"
    )
    verdict = judged[-1]
    assert isinstance(verdict, Verdict)
    assert (verdict.outcome, verdict.seeds) == ("kept", FIRST_LOOK)
    assert verdict.p_value is not None
    assert verdict.threshold == threshold_at_look(0.009, FIRST_LOOK, 9)
    assert verdict.p_value <= verdict.threshold < verdict.alpha_spent == 0.009


def test_a_gain_below_the_effect_of_interest_is_not_kept() -> None:
    gains = arm(above(BASELINE, [0.007, 0.009, 0.008, 0.010, 0.0085, 0.0095]))
    assert race(gains, rules=Rules(minimum_effect=0.005))[0].outcome == "kept"
    unsure = arm(above(BASELINE, [0.009, 0.009, 0.0145, 0.009, 0.0135, 0.004]))
    verdict, _ = race(unsure, rules=Rules(minimum_effect=0.006))
    assert verdict.outcome == "inconclusive"
    assert "over 0.006" in verdict.reason
    hopeless, trained = race(gains, rules=Rules(minimum_effect=0.1))
    assert (hopeless.outcome, trained) == ("reverted", 3)


def test_an_effect_of_three_and_a_half_deviations_of_an_arm_is_usually_found() -> None:
    told, rng = Told(), np.random.default_rng(8)
    for _ in range(400):
        by_the_product(normal, rng, [*[0.0] * 5, 3.5, *[0.0] * 6], told, SEEDS)
    assert told.planted_kept / 400 >= 0.75


def scored(mean: Sequence[float], rng: np.random.Generator, shift: float, tasks: int = 120) -> Arm:
    """Tasks share a cluster in threes; `shift` is what the arm adds to every task on average."""
    easy = np.repeat(np.random.default_rng(0).uniform(0.2, 0.8, tasks // 3), 3)
    names = tuple(str(task // 3) for task in range(tasks))
    liking = np.repeat(rng.normal(0, 0.02, tasks // 3), 3)
    scores = {}
    for seed, level in enumerate(mean):
        values = easy + level + shift + liking + rng.normal(0, 0.03, tasks)
        scores[seed] = Score(
            "S",
            {
                "S": Metric(float(values.mean()), None, tuple(values.tolist()), names),
                "pass@1": Metric(0.45 + level, None, tuple((values * 0 + 0.45 + level).tolist()), names),
            },
        )
    return Arm(scores)


LEVELS = [0.002, -0.003, 0.001, 0.0, -0.001]


def test_confirmation_excludes_zero_only_for_a_real_gain() -> None:
    rng = np.random.default_rng(9)
    baseline = scored(LEVELS, rng, 0.0)
    gain = judge_confirmation(scored(LEVELS, rng, 0.03), baseline, Rules())
    assert gain.confirmed
    assert gain.better
    assert gain.interval[0] > 0
    assert gain.cluster_se is not None
    assert "confirmed" in gain.reason
    null = judge_confirmation(scored(LEVELS, rng, 0.0), baseline, Rules())
    assert not null.confirmed
    assert "no gain is shown" in null.reason
    assert not judge_confirmation(scored(LEVELS, rng, 0.03), baseline, Rules(direction="minimise")).better


def test_confirmation_is_withheld_where_a_guard_fails() -> None:
    rng = np.random.default_rng(10)
    baseline = scored(LEVELS, rng, 0.0)
    result = judge_confirmation(scored([level - 0.03 for level in LEVELS], rng, 0.08), baseline, Rules())
    assert (result.better, result.confirmed) == (True, False)
    assert isinstance(result.guards[0], GuardResult)
    assert "guard pass@1 is -0.03" in result.reason


def test_confirmation_refuses_arms_scored_on_other_tasks() -> None:
    rng = np.random.default_rng(11)
    with pytest.raises(InvalidComparison, match="other tasks"):
        judge_confirmation(scored(LEVELS, rng, 0.0), scored(LEVELS, rng, 0.0, tasks=90), Rules())
    with pytest.raises(InvalidComparison, match="two shared seeds"):
        judge_confirmation(arm([0.7]), BASELINE, Rules())


def test_winner_lies_above_the_frontier_only_where_it_beats_the_closest_point() -> None:
    rng = np.random.default_rng(12)
    winner = scored(LEVELS, rng, 0.06)
    points = {"baseline": scored(LEVELS, rng, 0.0), "learning rate x2": scored(LEVELS, rng, 0.02)}
    won = above_frontier(winner, points, Rules())
    assert (won.above, won.best) == (True, "learning rate x2")
    assert won.change is not None
    assert won.change < 0.05
    level = above_frontier(winner, points | {"length x0.7": scored(LEVELS, rng, 0.057)}, Rules())
    assert (level.above, level.best) in ((None, "length x0.7"), (False, "length x0.7"))
    below = above_frontier(winner, points | {"length x0.7": scored(LEVELS, rng, 0.09)}, Rules())
    assert (below.above, below.best) == (False, "length x0.7")
    assert "not above" in below.reason


def test_a_frontier_point_that_is_hardly_known_prevents_a_claim_though_another_is_closer() -> None:
    winner = arm([0.76, 0.77, 0.75, 0.76])
    points = {"baseline": arm([0.75, 0.76, 0.74, 0.75 - 1e-4]), "x0.5": arm([0.60, 0.76, 0.70, 0.90])}
    assert above_frontier(winner, {"baseline": points["baseline"]}, Rules()).above is True
    verdict = above_frontier(winner, points, Rules())
    assert (verdict.above, verdict.best) == (None, "baseline")
    assert "x0.5" in verdict.reason


def test_frontier_point_that_cannot_be_paired_prevents_a_claim() -> None:
    rng = np.random.default_rng(13)
    winner = scored(LEVELS, rng, 0.06)
    single = Arm({0: scored(LEVELS, rng, 0.0).scores[0]})
    verdict = above_frontier(winner, {"baseline": scored(LEVELS, rng, 0.0), "x3": single}, Rules())
    assert verdict.above is None
    assert "x3" in verdict.reason
    assert above_frontier(winner, {"x3": single}, Rules()).above is None
