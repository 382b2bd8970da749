"""Ways in which a loop like this one fools itself: none of them may end as a confirmed winner.

What needs a real training (an edit that trains for longer than allowed, that fixes its seed, whose weights
are no numbers) is in `tests/end_to_end/test_nasty_candidates.py` too, in the sandbox.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from agent.arms import Arm
from agent.attempt import Attempt, AttemptState
from agent.decision import Verdict, judge
from agent.failures import Untrusted
from agent.laboratory import Laboratory
from agent.referee import Referee
from agent.rounds import Rounds
from agent.seeds import every_seed, seed_plan
from agent.training import Subject
from agent.watch import Watch
from agent.winner import above_frontier, judge_confirmation
from environments.base import Guard, Metric, Score, Split
from tests.agent.a_laboratory import SEEDS, Says, build_laboratory, gained, leave_trained, propose, put_scores
from workspaces.workspace import Workspace

N = 12
NOISE = 0.008
TASKS = 60


@dataclass(frozen=True)
class Rules:
    metric: str = "mean_pass_at_k"
    direction: str = "maximise"
    guards: Sequence[Guard] = (Guard("pass_at_1", 0.02),)
    minimum_effect: float = 0.0


def scored(level: float, tasks_sd: float, rng: np.random.Generator, guard: float = 0.45) -> Score:
    """A score over tasks in clusters of two, with the seed noise of countdown."""
    shift = float(rng.normal(0, NOISE))
    values = level + shift + rng.normal(0, tasks_sd, TASKS)
    names = tuple(str(task // 2) for task in range(TASKS))
    return Score(
        "mean_pass_at_k",
        {
            "mean_pass_at_k": Metric(float(values.mean()), None, tuple(values.tolist()), names),
            "pass_at_1": Metric(guard + float(rng.normal(0, NOISE))),
        },
    )


Train = Callable[[int], Score]


def race(train: Train, rng: np.random.Generator) -> Verdict:
    """The verdict of the product's rule on an edit, against a baseline of 0.75."""
    baseline = Arm({seed: scored(0.75, 0.02, rng) for seed in every_seed(N)})
    scores: dict[int, Score] = {}
    while True:
        ruling = judge(Arm(scores), baseline, baseline, Rules(), plan=seed_plan(N), alpha=0.01, noise=NOISE)
        if isinstance(ruling, Verdict):
            return ruling
        scores[ruling.seed_index] = train(ruling.seed_index)


def often_kept(train_in: Callable[[np.random.Generator], Train], runs: int = 60) -> float:
    """In what share of races an edit is kept."""
    kept = 0
    for run in range(runs):
        rng = np.random.default_rng([run, 5])
        kept += race(train_in(rng), rng).outcome == "kept"
    return kept / runs


def test_an_edit_that_does_nothing_and_had_a_lucky_seed_is_not_kept() -> None:
    def lucky(rng: np.random.Generator) -> Train:
        return lambda seed: scored(0.78 if seed == 0 else 0.75, 0.02, rng)

    assert often_kept(lucky) <= 0.05


def test_a_learning_rate_below_the_tuned_one_is_not_kept() -> None:
    """Measured on countdown: x 0.5 loses 0.02, and keeps more entropy and pass@1 doing so."""

    def slower(rng: np.random.Generator) -> Train:
        return lambda seed: scored(0.73, 0.02, rng, guard=0.46)

    assert often_kept(slower) == 0.0


def test_where_undertraining_gains_the_frontier_takes_the_claim_back() -> None:
    rng = np.random.default_rng(3)
    winner = Arm({seed: scored(0.77, 0.02, rng) for seed in range(N)})
    baseline = Arm({seed: scored(0.75, 0.02, rng) for seed in range(N)})
    slower = Arm({seed: scored(0.771, 0.02, rng) for seed in range(5)})
    assert judge_confirmation(winner, baseline, Rules()).confirmed
    verdict = above_frontier(winner, {"baseline": baseline, "learning rate x 0.5": slower}, Rules())
    assert verdict.above is not True
    assert verdict.best == "learning rate x 0.5"


def test_pass_at_16_bought_with_pass_at_1_is_not_kept() -> None:
    def spread_out(rng: np.random.Generator) -> Train:
        return lambda seed: scored(0.80, 0.02, rng, guard=0.40)

    assert often_kept(spread_out) == 0.0
    rng = np.random.default_rng(1)
    assert "guard pass_at_1" in race(spread_out(rng), rng).reason


def test_a_loss_of_pass_at_1_that_is_just_beyond_its_tolerance_seldom_passes() -> None:
    def just_beyond(rng: np.random.Generator) -> Train:
        return lambda seed: scored(0.80, 0.02, rng, guard=0.45 - 0.0205)

    assert often_kept(just_beyond, runs=200) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 200)


def test_a_policy_that_always_says_the_same_is_not_kept() -> None:
    def constant(rng: np.random.Generator) -> Train:
        def train(seed: int) -> Score:
            right = tuple(float(task == 7) for task in range(TASKS))
            names = tuple(str(task // 2) for task in range(TASKS))
            value = sum(right) / TASKS
            metrics = {"mean_pass_at_k": Metric(value, None, right, names), "pass_at_1": Metric(value)}
            return Score("mean_pass_at_k", metrics)

        return train

    assert often_kept(constant, runs=10) == 0.0


def test_what_memorised_the_selection_tasks_is_not_confirmed() -> None:
    rng = np.random.default_rng(2)
    assert race(lambda seed: scored(0.95, 0.02, rng), rng).outcome == "kept", "selection is taken in"
    sealed = [Arm({seed: scored(0.75, 0.02, rng) for seed in range(16)}) for _ in range(2)]
    assert not judge_confirmation(*sealed, Rules()).confirmed


def test_scores_that_are_no_numbers_are_void() -> None:
    rng = np.random.default_rng(4)
    bad = {"mean_pass_at_k": Metric(math.nan), "pass_at_1": Metric(0.45)}
    verdict = race(lambda seed: Score("mean_pass_at_k", bad), rng)
    assert verdict.outcome == "void"


def test_an_edit_that_fixes_its_seed_is_void(tmp_path: Path) -> None:
    laboratory = build_laboratory(tmp_path)
    code = propose(laboratory, 1)
    put_scores(laboratory, code, gained(), hashes=["same"] * (SEEDS + 1))
    ruling = Referee(laboratory, {}).judge(code, laboratory.baseline, 0.1, seed_plan(SEEDS), SEEDS)
    assert isinstance(ruling, Verdict)
    assert (ruling.outcome, ruling.change) == ("void", None)


@pytest.mark.parametrize(("again", "outcome"), [(0.0, "kept"), (0.001, "void")])
def test_a_winner_that_scores_otherwise_when_scored_again_is_void(
    tmp_path: Path, again: float, outcome: str
) -> None:
    laboratory = build_laboratory(tmp_path)
    code = propose(laboratory, 1)
    put_scores(laboratory, code, gained())
    _answer_with(laboratory, code, again)
    leave_trained(laboratory.measurer, laboratory.folder(1).path, SEEDS, code)
    workspace = Workspace(laboratory.ledger, tmp_path / "worktree")
    attempt = Attempt(laboratory, workspace, Referee(laboratory, {1: 0}), Rounds(laboratory))
    state: AttemptState = {
        "number": 1, "parent": 0, "parent_commit": laboratory.baseline, "comparator": 0,
        "comparator_commit": laboratory.baseline, "repairs": 0, "code_commit": code,
        "seed": SEEDS, "entrant": 0, "alpha": 0.1, "evidence": seed_plan(SEEDS).evidence,
    }  # fmt: skip
    attempt._decide(state)
    record = laboratory.ledger.attempt(1)
    assert record is not None
    assert record.verdict == outcome
    if outcome == "void":
        assert "when scored again" in (record.reason or "")
        assert laboratory.ledger.incumbent() == laboratory.baseline


@pytest.mark.parametrize(("failures", "ended"), [(1, None), (2, "void")])
def test_what_cannot_be_trusted_is_made_anew_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failures: int, ended: str | None
) -> None:
    laboratory = build_laboratory(tmp_path)
    code, tried = propose(laboratory, 1), list[int]()

    def train(subject: Subject, seed: int, split: Split, watch: Watch | None = None) -> None:
        tried.append(seed)
        if len(tried) <= failures:
            raise Untrusted("Files changed while it trained: session.py")

    monkeypatch.setattr(laboratory.measurer, "train", train)
    workspace = Workspace(laboratory.ledger, tmp_path / "worktree")
    attempt = Attempt(laboratory, workspace, Referee(laboratory, {}), Rounds(laboratory))
    state: AttemptState = {
        "number": 1, "parent": 0, "parent_commit": laboratory.baseline, "comparator": 0,
        "comparator_commit": laboratory.baseline, "code_commit": code, "seed": 0,
        "repairs": 0,
    }  # fmt: skip
    assert attempt._train(state).get("ended") == ended
    assert len(tried) in (2, 3)


def _answer_with(laboratory: Laboratory, code: str, more: float) -> None:
    """Let the scorer answer what is stored of the last seed, plus `more`."""
    stored = laboratory.measurer.find(code, SEEDS, Split.SELECTION)
    assert stored is not None
    metrics: Mapping[str, Metric] = stored.score.metrics
    moved = Metric(metrics["S"].value + more, 0.01, metrics["S"].per_task, metrics["S"].cluster)
    laboratory.measurer.scorer = Says(Score("S", {**metrics, "S": moved}))  # type: ignore[assignment]
