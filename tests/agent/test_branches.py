"""What holds for an attempt that was built on another one than the incumbent: it is judged as any other."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from agent.context.build import proposal_prompt
from agent.decision import Verdict
from agent.fsck import _main, _Read
from agent.laboratory import Laboratory, Standing
from agent.referee import Referee
from agent.search.plateau import PLATEAU
from agent.seeds import seed_plan
from environments.base import Split
from tests.agent.a_laboratory import SEEDS, build_laboratory, propose, put_scores

ALPHA = 0.1


@pytest.fixture
def laboratory(tmp_path: Path) -> Laboratory:
    """One worker, whose search is a tree."""
    built = build_laboratory(tmp_path)
    settings = built.settings.model_copy(update={"workers": 1, "search": "tree"})
    return replace(built, settings=settings)


def conclude(
    laboratory: Laboratory, number: int, *, parent: int, against: int, by: float, spread: float = 0.0
) -> str:
    """What became of an attempt on `parent` that was this much better than another on every seed."""
    commits = {record.number: record.result_commit for record in laboratory.ledger.attempts()}
    below, comparator = (
        commits.get(parent) or laboratory.baseline,
        commits.get(against) or laboratory.baseline,
    )
    code = propose(laboratory, number, parent=parent, on=below)
    referee = Referee(laboratory, entrants_of(laboratory))
    plan = referee.plan(number, branched=parent != against)
    seeds, mine = (0, *plan.evidence), dict[int, float]()
    for seed in (*plan.screening, *plan.evidence):
        there = laboratory.measurer.find(comparator, seed, Split.SELECTION)
        if there is None:
            put_scores(laboratory, comparator, [0.5 + 0.0007 * seed] * (seed + 1), only=[seed])
        score = 0.5 + 0.0007 * seed if there is None else there.score.metrics["S"].value
        mine[seed] = score + by * (1 + 0.05 * (seed % 2)) + spread * (-1) ** seed
    put_scores(laboratory, code, [mine.get(seed, 0.0) for seed in range(max(seeds) + 1)], only=seeds)
    referee.enter(number)
    ruling = referee.judge(code, comparator, ALPHA, plan, plan.evidence[-1])
    assert isinstance(ruling, Verdict)
    assert ruling.outcome != "void", ruling.reason
    return referee.rule(number, against, comparator, code, ruling, plan.until(plan.evidence[-1]))


def entrants_of(laboratory: Laboratory) -> dict[int, int]:
    return {
        record.number: int(record.trailers["Entrant"])
        for record in laboratory.ledger.attempts()
        if "Entrant" in record.trailers
    }


def test_a_winner_that_was_built_on_a_reverted_attempt_is_the_incumbent_of_all_that_follow(
    laboratory: Laboratory,
) -> None:
    assert conclude(laboratory, 1, parent=0, against=0, by=-0.002) == "reverted"
    assert conclude(laboratory, 2, parent=1, against=0, by=0.1) == "kept"
    record = laboratory.ledger.attempt(2)
    assert record is not None
    assert (record.parent, record.compared_with) == (1, 0)
    assert laboratory.ledger.incumbent() == record.result_commit
    standing = laboratory.standing_of(3)
    assert (standing.comparator, standing.comparator_commit) == (2, record.result_commit)
    attempts = laboratory.ledger.attempts()
    read = _Read(laboratory.directory, laboratory.settings, laboratory.ledger, attempts, {})
    assert _main(read) == ("main is attempt 2", [])


def test_its_race_is_on_seeds_that_had_no_part_in_the_choice_of_its_parent(laboratory: Laboratory) -> None:
    conclude(laboratory, 1, parent=0, against=0, by=-0.002)
    referee = Referee(laboratory, entrants_of(laboratory))
    assert referee.plan(2).evidence == seed_plan(SEEDS).evidence
    assert referee.plan(2, branched=True).evidence == seed_plan(SEEDS, 1).evidence
    conclude(laboratory, 2, parent=1, against=0, by=-0.002)
    later = Referee(laboratory, entrants_of(laboratory))
    assert later.plan(3).evidence == seed_plan(SEEDS, 1).evidence, "as fresh as after any race"
    assert later.plan(3, branched=True).evidence == seed_plan(SEEDS, 2).evidence
    assert later.plan(2, branched=True).evidence == seed_plan(SEEDS, 1).evidence, "asked again, the same"


def test_the_tree_chooses_the_parent_and_the_hill_climb_what_is_to_be_beaten(laboratory: Laboratory) -> None:
    assert laboratory.standing_of(1) == Standing(0, laboratory.baseline, 0, laboratory.baseline)
    assert conclude(laboratory, 1, parent=0, against=0, by=0.02, spread=0.05) != "kept"
    standing = laboratory.standing_of(2)
    assert (standing.parent, standing.comparator) == (1, 0)
    climbing = laboratory.settings.model_copy(update={"search": "hill-climb"})
    assert replace(laboratory, settings=climbing).standing_of(2).parent == 0


def test_a_researcher_is_told_of_another_branch_and_of_a_plateau(laboratory: Laboratory) -> None:
    conclude(laboratory, 1, parent=0, against=0, by=-0.002)
    record = laboratory.ledger.attempt(1)
    assert record is not None
    context = laboratory.context(2, 1, record.result_commit or "")
    assert (context.parent, context.incumbent.number, context.stalled) == (1, 0, 0)
    prompt = proposal_prompt(context)
    assert "built on attempt 1, and has to beat the incumbent" in prompt
    assert "structural change" not in prompt
    asked = proposal_prompt(replace(context, parent=0, stalled=PLATEAU))
    assert re.search(rf"The last {PLATEAU} attempts kept nothing: propose a structural change", asked)
    assert "another branch" not in asked
