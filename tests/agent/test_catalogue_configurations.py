"""A configuration of the catalogue survives being written into a template and read again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agent.researchers.base import NoProposal
from agent.researchers.catalogue import CatalogueResearcher
from agent.researchers.configuration import Configuration, edits, neighbours, read
from agent.researchers.control_table import CONTROLS
from tests.agent.a_synthetic_run import BASELINE, FILES, Run, catalogue, context_of, measured
from workspaces.edits import apply_edits


def test_every_configuration_survives_being_written_and_read() -> None:
    assert Configuration((), 3e-5, 300) == BASELINE
    known = {name: set(control.grid) for name, control in CONTROLS.items()}
    points = list(neighbours(BASELINE, BASELINE, known, set(CONTROLS)))
    assert len(points) > 500
    for target in points[:: len(points) // 150]:
        if target == BASELINE:
            continue
        files = apply_edits(FILES, edits(FILES, target, FILES), editable=("*.py",), protected=())
        assert read(files) == target
        back = apply_edits(files, edits(files, BASELINE, FILES), editable=("*.py",), protected=())
        assert read(back) == BASELINE
        assert back["recipe.py"].splitlines()[0] == FILES["recipe.py"].splitlines()[0]


def test_comments_beside_the_constants_are_kept() -> None:
    recipe = FILES["recipe.py"].replace("STEPS = 300", "STEPS = 300  # = the budget")
    target = Configuration((), 5e-5, 210)
    files = apply_edits(
        {**FILES, "recipe.py": recipe},
        edits({**FILES, "recipe.py": recipe}, target, FILES),
        editable=("*.py",),
        protected=(),
    )
    assert "STEPS = 210  # = the budget" in files["recipe.py"]
    assert read(files) == target


@pytest.mark.parametrize(
    "changed",
    [
        {"entropy_control.py": "LOSS = make()\nADVANTAGE = None\nTERMS = [t for t in ()]\n"},
        {"entropy_control.py": "def broken(:\n"},
        {"recipe.py": "LEARNING_RATE = 1e-5 * 3\nSTEPS = 300\n"},
        {"recipe.py": ""},
    ],
)
def test_code_that_the_catalogue_cannot_read_is_left_for_the_baselines(changed: dict[str, str]) -> None:
    run = Run(0, 1, measured, catalogue)
    files = {**FILES, **changed}
    assert read(files) is None
    proposal = catalogue(context_of(run, 4, files=files, history=()))
    after = apply_edits(files, proposal.edits, editable=("*.py",), protected=())
    target = read(after)
    assert target is not None
    assert target != BASELINE


def test_catalogue_says_when_it_has_nothing_to_offer() -> None:
    run = Run(0, 1, measured, catalogue)
    foreign = replace(run.history[0], files={"main.py": "print(1)"})
    with pytest.raises(NoProposal, match="cannot read the baseline"):
        catalogue(context_of(run, 0, baseline=foreign))
    with pytest.raises(NoProposal, match="cannot repair"):
        CatalogueResearcher().repair(context_of(run, 0), run.proposals[0], "it hangs", Path("unused"))
