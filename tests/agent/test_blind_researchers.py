"""What the two researchers promise that others are held against: the whole catalogue, and no state."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agent.proposal import Proposal
from agent.researchers.base import Context, HistoryEntry, NoProposal
from agent.researchers.blind import RandomResearcher, TpeResearcher
from agent.researchers.configuration import Configuration, edits, read
from agent.researchers.configuration_space import choices_of, choose_configuration
from agent.researchers.control_table import CONTROLS
from tests.agent.a_synthetic_run import BASELINE, FILES, Run, context_of, entropy_of, measured
from workspaces.edits import apply_edits

RESEARCHERS = [RandomResearcher(), TpeResearcher()]


def by_chance(context: Context) -> Proposal:
    return RandomResearcher().propose(context, Path("unused"))


def by_tpe(context: Context) -> Proposal:
    return TpeResearcher().propose(context, Path("unused"))


def configuration_of(proposal: Proposal, files: dict[str, str]) -> Configuration:
    found = read(apply_edits(files, proposal.edits, editable=("*.py",), protected=()))
    assert found is not None
    return found


@pytest.mark.parametrize("propose", [by_chance, by_tpe])
def test_equal_contexts_give_equal_proposals_and_other_seeds_others(propose) -> None:  # type: ignore[no-untyped-def]
    run = Run(3, 4, measured, by_chance)
    assert propose(context_of(run, 1)) == propose(context_of(run, 1))
    assert len({propose(context_of(run, seed)).edits for seed in range(12)}) >= 10


@pytest.mark.parametrize("propose", [by_chance, by_tpe])
def test_nothing_is_proposed_twice_and_a_whole_run_comes_to_its_end(propose) -> None:  # type: ignore[no-untyped-def]
    configurations = Run(0, 20, measured, propose).configurations
    assert len(set(configurations)) == len(configurations)


def test_chance_reaches_every_control_and_every_learning_rate() -> None:
    run = Run(0, 1, measured, by_chance)
    drawn = [
        configuration_of(by_chance(context_of(run, seed, history=())), dict(FILES)) for seed in range(300)
    ]
    assert {name for one in drawn for name, _ in one.controls} == CONTROLS.keys()
    assert len({one.learning_rate for one in drawn}) == 11
    assert len({one.steps for one in drawn}) == 4
    alone = sum(not one.controls for one in drawn)
    assert 0 < alone < 60


def test_tpe_learns_from_what_was_measured() -> None:
    """With many attempts told, its proposals are better than chance's in the same world."""
    run = Run(0, 1, measured, by_chance)
    rng = np.random.default_rng(0)
    history = []
    for number in range(1, 61):
        one = configuration_of(by_chance(context_of(run, number, history=())), dict(FILES))
        files = apply_edits(FILES, edits(FILES, one, FILES), editable=("*.py",), protected=())
        score = 0.669 + measured(one) + float(rng.normal(0, 0.001))
        history.append(
            HistoryEntry(
                number, 0, "random", "", "", 0.0, 0.3, "reverted", None, score, score - 0.669, None,
                entropy_of(one), 1, files,
            )
        )  # fmt: skip
    told = [
        measured(configuration_of(by_tpe(context_of(run, seed, history=tuple(history))), dict(FILES)))
        for seed in range(20)
    ]
    chance = [
        measured(configuration_of(by_chance(context_of(run, seed, history=tuple(history))), dict(FILES)))
        for seed in range(20)
    ]
    assert np.mean(told) > np.mean(chance) + 0.002


def test_answers_make_the_configuration_again() -> None:
    assert BASELINE is not None
    run = Run(0, 1, measured, by_chance)
    for seed in range(40):
        one = configuration_of(by_chance(context_of(run, seed, history=())), dict(FILES))
        answers = choices_of(one, BASELINE, CONTROLS)

        made = choose_configuration(
            lambda question, _, answers=answers: answers[question], BASELINE, CONTROLS
        )  # type: ignore[misc]
        assert made == one


@pytest.mark.parametrize("researcher", RESEARCHERS, ids=lambda researcher: researcher.name)
def test_no_prediction_is_claimed_and_nothing_is_repaired(researcher) -> None:  # type: ignore[no-untyped-def]
    run = Run(0, 1, measured, by_chance)
    proposal = researcher.propose(context_of(run, 0), Path("unused"))
    assert proposal.predicted_score_change == 0.0
    assert "No mechanism is claimed" in proposal.mechanism
    with pytest.raises(NoProposal, match="cannot repair"):
        researcher.repair(context_of(run, 0), proposal, "it hangs", Path("unused"))
    foreign = replace(context_of(run, 0).baseline, files={"recipe.py": "import foreign\n"})
    with pytest.raises(NoProposal, match="cannot be read"):
        researcher.propose(context_of(run, 0, baseline=foreign), Path("unused"))
