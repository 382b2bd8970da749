"""A control of a user's own is proposed beside the catalogue's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.proposal import Proposal
from agent.researchers.configuration import edits, neighbours, read
from agent.researchers.control_table import CONTROLS, go_together, table_of
from agent.researchers.surrogate import Surrogate
from agent.researchers.wording import Known, hypothesis
from tests.agent.a_synthetic_run import BASELINE, FILES, Run, catalogue, context_of, measured
from workspaces.edits import apply_edits


def own(fields: str, kind: str = "loss", name: str = "SoftClip") -> str:
    return (
        f'"""Soft clip: the ratio saturates smoothly."""\nclass {name}:\n'
        f"{fields}    kind: ClassVar[str] = {kind!r}\n"
    )


def with_own(text: str, module: str = "soft_clip") -> Run:
    run = Run(0, 1, measured, catalogue)
    first = replace(run.history[0], files={**FILES, f"controls/{module}.py": text})
    run.history[0] = first
    return run


def first_proposal(run: Run, seed: int = 0, **changes: object) -> tuple[Proposal, dict[str, str]]:
    proposal = catalogue(context_of(run, seed, history=(), **changes))
    files = dict(run.history[0].files)
    return proposal, apply_edits(files, proposal.edits, editable=("*.py", "controls/*.py"), protected=())


def test_a_control_of_a_user_s_own_is_tried_before_anything_else_and_then_no_more_than_others() -> None:
    run = with_own(own("    width: float = 0.2\n"))
    proposal, files = first_proposal(run)
    assert "SoftClip 0.2" in proposal.hypothesis
    assert "the ratio saturates smoothly" in proposal.mechanism
    assert "from controls.soft_clip import SoftClip" in files["entropy_control.py"]
    assert "LOSS = SoftClip(width=0.2)" in files["entropy_control.py"]
    flying = replace(run.history[1], files=files, verdict="reverted", score=0.66, score_change=-0.01)
    others = [catalogue(context_of(run, seed, history=(flying,))).hypothesis for seed in range(12)]
    assert sum("SoftClip" in line for line in others) < 12


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (own("    beta: float = 3.0\n    TUNED: ClassVar = ('beta', (2, 4))\n"), "LOSS = SoftClip(beta=4)"),
        (own(""), "LOSS = SoftClip()"),
        (own("    many: int = 3\n", "advantage"), "ADVANTAGE = SoftClip()"),
        (own("    rate: float = 0.5\n", "average"), "AVERAGE = SoftClip(rate=0.5)"),
        (own("    rate: float = 0.5\n", "term"), "TERMS = (SoftClip(rate=0.5),)"),
        (own("    rate: float = 0.5\n", "sampling"), "SAMPLING = (SoftClip(rate=0.5),)"),
    ],
)
def test_own_controls_of_every_kind_are_written_and_read_again(text: str, written: str) -> None:
    run = with_own(text)
    _, files = first_proposal(run)
    assert written in files["entropy_control.py"]
    table = table_of(files)
    found = read(files, table)
    assert found is not None
    assert [name for name, _ in found.controls] == ["SoftClip"]
    assert BASELINE is not None
    known = {name: set(control.grid) for name, control in table.items()}
    for target in list(neighbours(BASELINE, BASELINE, known, set(table), table))[::40]:
        changed = edits(FILES, target, FILES, table)
        after = apply_edits(files | FILES, changed, editable=("*.py", "controls/*.py"), protected=())
        assert read(after, table) == target


def test_controls_without_meaning_together_are_not_proposed() -> None:
    moving = own("    rate: float = 0.5\n    moves_entropy: ClassVar[bool] = True\n", "term")
    table = table_of({"controls/soft_clip.py": moving})
    assert not go_together(["SoftClip", "EntropyBonus"], table)
    assert BASELINE is not None
    known = {name: set(control.grid) for name, control in table.items()}
    near = neighbours(BASELINE, BASELINE, known, set(table), table)
    assert all(go_together([name for name, _ in point.controls], table) for point in near)


@pytest.mark.parametrize("text", ["def broken(:\n", "x = 1\n", own("", name="KlCov"), own("", kind="lost")])
def test_files_that_hold_no_own_control_change_nothing(text: str) -> None:
    assert table_of({"controls/mine.py": text}) is CONTROLS
    assert table_of({"elsewhere/mine.py": own(""), "controls/ppo_clip.py": own("")}) is CONTROLS


def test_a_change_of_pace_alone_is_named_also_beside_many_controls() -> None:
    run = Run(0, 1, measured, catalogue)
    controls = tuple((name, control.usual) for name, control in CONTROLS.items() if control.slot != "loss")
    assert BASELINE is not None
    parent = replace(BASELINE, controls=(("ClipHigher", 0.28), *controls))
    files = apply_edits(FILES, edits(FILES, parent, FILES), editable=("*.py",), protected=())
    known = Known(
        context_of(run, 0, files=files), CONTROLS, BASELINE, parent, (), Surrogate(BASELINE, [], 0.004, 0.3)
    )
    line = hypothesis(known, replace(parent, learning_rate=9e-5))
    assert line.startswith("Training ")
    assert "9e-5" in line
    assert len(line) <= 120
