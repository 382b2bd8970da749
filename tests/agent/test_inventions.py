"""Controls that a proposal brings pass the control check, in the real sandbox, before anything is trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent import inventions
from agent.control_check import ControlRefused
from environments.registry import load
from tests.end_to_end.test_own_control import SOFT_CLIP
from workspaces.controls import NotAControl
from workspaces.ledger import Ledger

GRADIENTLESS = SOFT_CLIP.replace("token_mean(-", "token_mean(-0.0 * ")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.create(tmp_path / "repository", load("countdown").workspace_template(), message="Baseline")


def proposed(ledger: Ledger, number: int, files: dict[str, str], on: str = "baseline") -> str:
    return ledger.commit_code(
        number,
        on,
        0,
        files,
        hypothesis="A new control",
        mechanism="It is new.",
        researcher="language-model",
        predicted_score_change=0.1,
        predicted_entropy=0.3,
    )


@pytest.mark.slow
def test_a_new_control_is_tested_and_one_that_is_no_good_is_named_by_its_path_in_the_tree(
    ledger: Ledger,
) -> None:
    good = proposed(ledger, 1, {"controls/soft_clip.py": SOFT_CLIP})
    inventions.check(ledger, "baseline", good, sandbox="auto")
    assert list(inventions.invented(ledger, good)) == ["controls/soft_clip.py"]
    bad = proposed(ledger, 2, {"controls/soft_clip.py": GRADIENTLESS}, on=good)
    with pytest.raises(ControlRefused, match=r"^controls/soft_clip\.py is refused: .*gradient"):
        inventions.check(ledger, good, bad, sandbox="auto")


@pytest.mark.parametrize(
    ("file", "text", "why"),
    [
        ("two", SOFT_CLIP + SOFT_CLIP.replace("SoftClip", "Other"), "holds 2 controls"),
        ("taken", SOFT_CLIP.replace("SoftClip", "KlCov"), "there is a shipped KlCov"),
    ],
)
def test_what_is_no_control_of_its_own_is_refused(ledger: Ledger, file: str, text: str, why: str) -> None:
    commit = proposed(ledger, 1, {f"controls/{file}.py": text})
    with pytest.raises(NotAControl, match=why) as refused:
        inventions.check(ledger, "baseline", commit, sandbox="auto")
    assert str(refused.value).startswith(f"controls/{file}.py")


def test_edits_of_what_is_there_and_shared_code_cost_no_test(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("nothing is tested here")

    monkeypatch.setattr(inventions, "check_controls", never)
    kl_cov = ledger.files("baseline", ("controls/kl_cov.py",))["controls/kl_cov.py"]
    first = proposed(ledger, 1, {"controls/kl_cov.py": kl_cov + "\n", "controls/shared.py": "WIDTH = 0.2\n"})
    inventions.check(ledger, "baseline", first, sandbox="auto")
    second = proposed(ledger, 2, {"recipe.py": "STEPS = 3\n"}, on=first)
    inventions.check(ledger, first, second, sandbox="auto")
