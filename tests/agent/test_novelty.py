"""Code that was tried before costs no training, and its result goes back to who proposed it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.laboratory import Laboratory
from agent.novelty import already_tried
from agent.researchers.catalogue import CatalogueResearcher
from tests.agent.a_laboratory import build_laboratory
from tests.agent.a_synthetic_run import Run, measured
from tests.agent.test_blind_researchers import by_chance, by_tpe
from workspaces.normalised_code import indistinguishable

RECIPE = "LEARNING_RATE = {rate}\n\n\ndef train(session):\n    {name} = session.start()\n    return {name}\n"


@pytest.fixture
def laboratory(tmp_path: Path) -> Laboratory:
    return build_laboratory(tmp_path, recipe=code(3e-4))


def code(rate: float, name: str = "policy") -> str:
    return RECIPE.format(rate=rate, name=name)


def propose(laboratory: Laboratory, number: int, recipe: str, parent: int = 0, on: str | None = None) -> str:
    return laboratory.ledger.commit_code(
        number,
        on or laboratory.baseline,
        parent,
        {"recipe.py": recipe},
        hypothesis="another learning rate",
        mechanism="It trains harder.",
        researcher="language-model",
        predicted_score_change=0.1,
        predicted_entropy=0.3,
    )


def decide(laboratory: Laboratory, number: int, verdict: str = "reverted") -> str:
    return laboratory.ledger.commit_result(
        number,
        verdict=verdict,
        reason="it did not survive noise",
        trailers={"Score-Change": "+0.00120", "Score-Change-Standard-Error": "0.0021"},
    )


def said(
    laboratory: Laboratory, number: int, recipe: str, parent: int = 0, on: str | None = None
) -> str | None:
    commit = propose(laboratory, number, recipe, parent, on)
    return already_tried(laboratory, number, on or laboratory.baseline, commit)


def test_code_that_only_looks_new_is_refused_with_the_result_that_it_had(laboratory: Laboratory) -> None:
    propose(laboratory, 1, code(5e-4))
    decide(laboratory, 1)
    told = said(laboratory, 3, "# new!\n" + code(5e-4, name="trained"))
    assert told is not None
    assert "equals attempt 1's (reverted, +0.0012 ± 0.0021: it did not survive noise)" in told
    assert said(laboratory, 4, code(3e-4, name="other")) == "this code equals the baseline's"


def test_numbers_that_no_training_tells_apart_are_refused_and_named(laboratory: Laboratory) -> None:
    propose(laboratory, 1, code(5e-4))
    decide(laboratory, 1)
    told = said(laboratory, 3, code(5.05e-4))
    assert told is not None
    assert "attempt 1's (reverted, +0.0012 ± 0.0021" in told
    assert "recipe.py 0.0005 and now 0.000505" in told
    assert "\n" not in told
    assert said(laboratory, 4, code(5.5e-4)) is None


@pytest.mark.parametrize("verdict", ["crashed", "void", "refused"])
@pytest.mark.parametrize("rate", [5e-4, 5.05e-4])
def test_what_has_no_result_may_be_tried_again(laboratory: Laboratory, verdict: str, rate: float) -> None:
    propose(laboratory, 1, code(5e-4))
    decide(laboratory, 1, verdict)
    assert said(laboratory, 3, code(rate)) is None


def test_of_its_own_round_an_attempt_is_told_the_same_whenever_it_asks(laboratory: Laboratory) -> None:
    assert laboratory.settings.workers == 2
    propose(laboratory, 1, code(5e-4))
    before = said(laboratory, 2, code(5e-4))
    decide(laboratory, 1, "crashed")
    assert said(laboratory, 2, code(5e-4)) == before == "this code equals attempt 1's (in flight)"


def test_on_another_parent_a_near_number_is_something_new(laboratory: Laboratory) -> None:
    propose(laboratory, 1, code(5e-4))
    winner = decide(laboratory, 1, "kept")
    assert said(laboratory, 3, code(5.05e-4), parent=1, on=winner) is None
    propose(laboratory, 4, code(7e-4))
    decide(laboratory, 4)
    assert said(laboratory, 5, code(7.05e-4), parent=1, on=winner) is None


@pytest.mark.parametrize("researcher", ["catalogue", "random", "tpe"])
def test_nothing_that_the_catalogue_chance_or_tpe_propose_is_taken_for_another_attempt(
    researcher: str,
) -> None:
    propose = {
        "catalogue": lambda context: CatalogueResearcher().propose(context, Path("unused")),
        "random": by_chance,
        "tpe": by_tpe,
    }[researcher]
    run = Run(0, 15, measured, propose)
    for number, entry in enumerate(run.history):
        for earlier in run.history[1:number]:
            assert indistinguishable(earlier.files, entry.files) is None, (earlier.number, entry.number)
