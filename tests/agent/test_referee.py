"""What the referee promises: fair races, no winner lost to a kill, and evidence that stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.attempt_folder import CONVERSATION_FILE
from agent.decision import NeedSeed, Verdict
from agent.dispatch import Dispatcher
from agent.laboratory import Laboratory, Standing
from agent.referee import Referee
from agent.seeds import every_seed, seed_plan
from environments.base import Split
from tests.agent.a_laboratory import (
    BASELINE,
    GAIN,
    SEEDS,
    budget,
    build_laboratory,
    gained,
    propose,
    put_scores,
)
from workspaces.workspace import Workspace

ALPHA = 0.1
PLAN = seed_plan(SEEDS)
ALL = PLAN.until(SEEDS)


@pytest.fixture
def laboratory(tmp_path: Path) -> Laboratory:
    return build_laboratory(tmp_path)


def dispatcher_on(laboratory: Laboratory) -> Dispatcher:
    return Dispatcher(laboratory.directory, laboratory, budget(laboratory))


def work_tree(laboratory: Laboratory) -> Workspace:
    return Workspace(laboratory.ledger, laboratory.directory / "worktrees" / "0")


def winner_of(laboratory: Laboratory, number: int) -> tuple[str, Verdict]:
    """An attempt that clearly beats the baseline: its code and its verdict."""
    code = propose(laboratory, number)
    put_scores(laboratory, code, gained())
    verdict = Referee(laboratory, {}).judge(code, laboratory.baseline, ALPHA, PLAN, SEEDS)
    assert isinstance(verdict, Verdict)
    assert verdict.outcome == "kept"
    return code, verdict


def record_without_promotion(laboratory: Laboratory, number: int, code: str, verdict: Verdict) -> str:
    """The result commit of a winner, as a kill before the promotion leaves it."""
    baseline = laboratory.baseline
    Referee(laboratory, {number: 0}).rule(number, 0, baseline, code, verdict, ALL)
    record = laboratory.ledger.attempt(number)
    assert record is not None
    assert record.result_commit is not None
    assert record.verdict == "kept"
    laboratory.ledger.set_incumbent(baseline)
    return record.result_commit


def stored(laboratory: Laboratory, code: str) -> dict[str, bytes]:
    """The files of a code's measurements, named as evidence."""
    found = laboratory.history.measurements(code, Split.SELECTION, laboratory.seeds)
    names = [f"{measurement.key.digest}.json" for measurement in found.values()]
    return {
        f"measurements/{name}": (laboratory.directory / "measurements" / name).read_bytes() for name in names
    }


def test_seeds_with_equal_outcomes_are_void_though_their_policies_differ(laboratory: Laboratory) -> None:
    code = propose(laboratory, 1)
    outcomes = [(1.0, 0.0, 1.0), (1.0, 1.0, 0.0), (1.0, 1.0, 0.0), (0.0, 1.0, 1.0)]
    put_scores(laboratory, code, gained(), outcomes)
    ruling = Referee(laboratory, {}).judge(code, laboratory.baseline, ALPHA, PLAN, SEEDS)
    assert isinstance(ruling, Verdict)
    assert (ruling.outcome, ruling.change) == ("void", None)
    assert "fixes the seed" in ruling.reason


def test_perfect_policies_of_unlike_trainings_are_judged(laboratory: Laboratory) -> None:
    code = propose(laboratory, 1)
    put_scores(laboratory, code, [1.0] * 4, [(1.0, 1.0)] * 4)
    ruling = Referee(laboratory, {}).judge(code, laboratory.baseline, ALPHA, PLAN, SEEDS)
    assert isinstance(ruling, Verdict)
    assert "fixes the seed" not in ruling.reason


def test_seeds_with_equal_policies_are_void_though_their_outcomes_differ(laboratory: Laboratory) -> None:
    code = propose(laboratory, 1)
    put_scores(laboratory, code, gained(), hashes=["a", "b", "b", "c"])
    ruling = Referee(laboratory, {}).judge(code, laboratory.baseline, ALPHA, PLAN, SEEDS)
    assert isinstance(ruling, Verdict)
    assert ruling.outcome == "void"


def test_unlike_seeds_are_judged(laboratory: Laboratory) -> None:
    winner_of(laboratory, 1)


@pytest.mark.parametrize("evidence", [-0.2, 0.0, 0.2])
def test_who_has_not_entered_is_judged_on_the_screening_seed_alone(
    laboratory: Laboratory, evidence: float
) -> None:
    referee = Referee(laboratory, {})
    entering, failing = propose(laboratory, 1), propose(laboratory, 2)
    after = [evidence + gain for gain in (0.01, 0.02, 0.03)]
    put_scores(laboratory, entering, gained([0.1, *after]))
    put_scores(laboratory, failing, gained([-0.1, *after]))
    ruling = referee.judge(entering, laboratory.baseline, None, PLAN)
    assert isinstance(ruling, NeedSeed)
    assert ruling.seed_index == 1
    verdict = referee.judge(failing, laboratory.baseline, None, PLAN)
    assert isinstance(verdict, Verdict)
    assert (verdict.outcome, verdict.seeds, verdict.alpha_spent) == ("reverted", 0, 0.0)


def test_a_winner_is_promoted(laboratory: Laboratory) -> None:
    code, verdict = winner_of(laboratory, 1)
    assert Referee(laboratory, {1: 0}).rule(1, 0, laboratory.baseline, code, verdict, ALL) == "kept"
    record = laboratory.ledger.attempt(1)
    assert record is not None
    assert laboratory.ledger.incumbent() == record.result_commit
    assert record.trailers["Entrant"] == "0"
    assert "Reapply" not in record.trailers


def test_a_promotion_lost_to_a_kill_is_made_up_for(laboratory: Laboratory) -> None:
    result = record_without_promotion(laboratory, 1, *winner_of(laboratory, 1))
    referee = Referee(laboratory, {1: 0})
    for _ in range(2):
        referee.settle(1, laboratory.baseline)
        assert laboratory.ledger.incumbent() == result


def test_settling_an_old_winner_does_not_dethrone_a_newer_one(laboratory: Laboratory) -> None:
    first = record_without_promotion(laboratory, 1, *winner_of(laboratory, 1))
    referee = Referee(laboratory, {1: 0})
    referee.settle(1, laboratory.baseline)
    code = propose(laboratory, 2, parent=1, on=first)
    put_scores(laboratory, code, gained(over=gained()))
    verdict = referee.judge(code, first, ALPHA, PLAN, SEEDS)
    assert isinstance(verdict, Verdict)
    assert referee.rule(2, 1, first, code, verdict, ALL) == "kept"
    newer = laboratory.ledger.incumbent()
    assert newer != first
    referee.settle(1, laboratory.baseline)
    assert laboratory.ledger.incumbent() == newer


def test_settling_what_is_not_concluded_changes_nothing(laboratory: Laboratory) -> None:
    winner_of(laboratory, 1)
    for number in (1, 2):
        Referee(laboratory, {}).settle(number, laboratory.baseline)
    assert laboratory.ledger.incumbent() == laboratory.baseline
    assert laboratory.ledger.evidence() == {}


def test_a_resumed_run_takes_up_a_winner_whose_promotion_was_lost(laboratory: Laboratory) -> None:
    code, verdict = winner_of(laboratory, 1)
    workspace = work_tree(laboratory)
    state = {
        "number": 1,
        "parent": 0,
        "parent_commit": laboratory.baseline,
        "comparator": 0,
        "comparator_commit": laboratory.baseline,
        "repairs": 0,
        "code_commit": code,
        "seed": SEEDS,
        "entrant": 0,
        "alpha": ALPHA,
    }
    with dispatcher_on(laboratory) as killed:
        _, graph = killed._worker(workspace)
        graph.update_state({"configurable": {"thread_id": "0001"}}, state, as_node="score")
    result = record_without_promotion(laboratory, 1, code, verdict)
    with dispatcher_on(laboratory) as resumed:
        assert laboratory.ledger.incumbent() == result, "promoted before another attempt can be judged"
        assert resumed._unfinished() == [1]
        assert resumed.take(work_tree(laboratory)) == 1
        resumed.run(1, workspace)
        assert resumed._unfinished() == []
        assert resumed.take(work_tree(laboratory)) == 2


def test_a_concluded_attempt_without_a_thread_is_not_taken_again(laboratory: Laboratory) -> None:
    record_without_promotion(laboratory, 1, *winner_of(laboratory, 1))
    laboratory.folder(1)
    with dispatcher_on(laboratory) as resumed:
        assert resumed._unfinished() == []
        assert resumed.take(work_tree(laboratory)) == 2


def test_a_winner_over_a_former_incumbent_is_inconclusive_and_raced_anew(laboratory: Laboratory) -> None:
    code, verdict = winner_of(laboratory, 1)
    late_code, late_verdict = winner_of(laboratory, 2)
    referee = Referee(laboratory, {1: 0, 2: 1})
    assert referee.rule(1, 0, laboratory.baseline, code, verdict, ALL) == "kept"
    incumbent = laboratory.ledger.incumbent()
    assert referee.rule(2, 0, laboratory.baseline, late_code, late_verdict, ALL) == "inconclusive"
    assert laboratory.ledger.incumbent() == incumbent
    record = laboratory.ledger.attempt(2)
    assert record is not None
    assert (record.verdict, record.trailers["Reapply"]) == ("inconclusive", "yes")
    assert "no longer the incumbent" in (record.reason or "")
    with dispatcher_on(laboratory) as dispatcher:
        assert dispatcher.take(work_tree(laboratory)) == 3
        assert laboratory.folder(3).reapplies == 2
        assert laboratory.standing_of(3) == Standing(1, incumbent, 1, incumbent)
        assert dispatcher.take(work_tree(laboratory)) == 4
        assert laboratory.folder(4).reapplies is None


def test_evidence_of_a_concluded_attempt_is_kept_and_joined_by_the_next(laboratory: Laboratory) -> None:
    code, verdict = winner_of(laboratory, 1)
    (laboratory.folder(1).path / CONVERSATION_FILE).write_text('{"said": "more steps"}\n')
    referee = Referee(laboratory, {1: 0})
    assert laboratory.ledger.evidence() == {}
    referee.rule(1, 0, laboratory.baseline, code, verdict, ALL)
    expected = stored(laboratory, code)
    assert len(expected) == SEEDS + 1
    expected[f"attempts/0001/{CONVERSATION_FILE}"] = b'{"said": "more steps"}\n'
    assert laboratory.ledger.evidence() == expected
    crashed = propose(laboratory, 2)
    put_scores(laboratory, crashed, [BASELINE[0] + GAIN[0]])
    referee.close(2, 0, "crashed", "its second seed crashed", crashed)
    assert laboratory.ledger.evidence() == expected | stored(laboratory, crashed)


def test_evidence_lost_to_a_kill_is_made_up_for(laboratory: Laboratory) -> None:
    code, verdict = winner_of(laboratory, 1)
    record_without_promotion(laboratory, 1, code, verdict)
    laboratory.ledger.git.run("update-ref", "-d", "refs/szilard/evidence")
    Referee(laboratory, {1: 0}).settle(1, laboratory.baseline)
    assert laboratory.ledger.evidence() == stored(laboratory, code)


def test_races_after_a_promotion_are_on_seeds_that_nobody_was_chosen_by(laboratory: Laboratory) -> None:
    code, verdict = winner_of(laboratory, 1)
    referee = Referee(laboratory, {1: 0})
    assert referee.plan(1) == referee.plan(2) == PLAN, "no earlier round has raced"
    referee.rule(1, 0, laboratory.baseline, code, verdict, ALL)
    assert referee.plan(2) == PLAN, "it began in the same round"
    later = referee.plan(3)
    assert later.screening == PLAN.screening
    assert not set(later.evidence) & set(PLAN.evidence)
    assert set(later.evidence) <= set(laboratory.seeds)


def test_a_verdict_does_not_hang_on_what_was_trained_ahead(laboratory: Laboratory) -> None:
    code = propose(laboratory, 1)
    put_scores(laboratory, code, gained())
    referee = Referee(laboratory, {})
    ahead = Referee(laboratory, {}).judge(code, laboratory.baseline, ALPHA, PLAN, 2)
    entry = laboratory.context(1, 0, laboratory.baseline).baseline
    first = every_seed(SEEDS).stop
    put_scores(laboratory, laboratory.baseline, [0.9] * (first + SEEDS), only=range(first, first + SEEDS))
    assert referee.judge(code, laboratory.baseline, ALPHA, PLAN, 2) == ahead
    assert laboratory.context(1, 0, laboratory.baseline).baseline == entry
