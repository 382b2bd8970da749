"""A person's change, read from patches and branches of real repositories, and left for a run to try."""

from __future__ import annotations

import re
import subprocess
from difflib import unified_diff
from pathlib import Path

import pytest

from agent import inbox
from agent.attempt_folder import AttemptFolder
from agent.offer import NO_MECHANISM, Said, UnusableOffer, offer_of
from agent.proposal import Proposal
from environments.registry import load
from workspaces.edits import EditError, apply_edits
from workspaces.ledger import Ledger

SPEC = load("countdown").spec
KEY = "sk-proj-0123456789abcdefGHIJ"
STALE = """\
--- a/recipe.py
+++ b/recipe.py
@@ -24,3 +24,3 @@
 from session import Rollout, Session
-LEARNING_RATE = 7e-4
+LEARNING_RATE = 1e-3
 STEPS = 150
"""


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.create(tmp_path / "repository", load("countdown").workspace_template(), message="Baseline")


@pytest.fixture
def clone(ledger: Ledger, tmp_path: Path) -> Path:
    subprocess.run(["git", "clone", "-q", ledger.path, tmp_path / "clone"], check=True)
    git(tmp_path / "clone", "checkout", "-q", "-b", "mine")
    return tmp_path / "clone"


def git(clone: Path, *words: str) -> None:
    subprocess.run(["git", "-C", clone, "-c", "user.name=me", "-c", "user.email=me@x", *words], check=True)


def recipe(ledger: Ledger, name: str, value: str) -> tuple[str, str]:
    """The incumbent's recipe, and the same with another constant."""
    old = ledger.files("main", ("recipe.py",))["recipe.py"]
    return old, re.sub(rf"^{name} = .*$", f"{name} = {value}", old, flags=re.M)


def patch(path: Path, old: str, new: str) -> Path:
    lines = unified_diff(old.splitlines(True), new.splitlines(True), "a/recipe.py", "b/recipe.py")
    path.write_text("".join(lines))
    return path


def applied(ledger: Ledger, offer: Proposal) -> dict[str, str]:
    before = ledger.files("main", SPEC.editable)
    after = apply_edits(before, offer.edits, editable=SPEC.editable, protected=SPEC.protected)
    return {path: text for path, text in after.items() if before.get(path) != text}


def test_a_patch_is_offered_as_blocks_with_what_was_said_of_it(ledger: Ledger, tmp_path: Path) -> None:
    old, new = recipe(ledger, "STEPS", "140")
    said = Said("Fewer steps overfit less", "They end sooner.", 0.01, 0.3)
    offer = offer_of(str(patch(tmp_path / "#1.diff", old, new)), ledger, SPEC, said)
    assert applied(ledger, offer) == {"recipe.py": new}
    assert [edit.content for edit in offer.edits] == [None]
    assert (offer.predicted_score_change, offer.predicted_entropy) == (0.01, 0.3)
    assert (offer.hypothesis, offer.mechanism) == ("Fewer steps overfit less", "They end sooner.")


def test_a_branch_of_a_clone_is_offered_by_its_subject_and_leaves_the_ledger_alone(
    ledger: Ledger, clone: Path
) -> None:
    before = ledger.git.text("count-objects", "-v"), ledger.git.text("for-each-ref")
    new = recipe(ledger, "STEPS", "140")[1]
    (clone / "recipe.py").write_text(new)
    (clone / "controls" / "mine.py").write_text("WIDTH = 1\n")
    git(clone, "add", "-A")
    git(clone, "commit", "-q", "-m", "Fewer steps overfit less")
    offer = offer_of(f"{clone}#mine", ledger, SPEC, Said())
    assert applied(ledger, offer) == {"recipe.py": new, "controls/mine.py": "WIDTH = 1\n"}
    assert (offer.hypothesis, offer.mechanism) == ("Fewer steps overfit less", NO_MECHANISM)
    assert (offer.predicted_score_change, offer.predicted_entropy) == (None, None)
    assert (ledger.git.text("count-objects", "-v"), ledger.git.text("for-each-ref")) == before


def test_a_branch_from_an_older_incumbent_is_tried_on_the_newer_one_where_it_fits(ledger: Ledger) -> None:
    mine = commit(ledger, 1, recipe(ledger, "STEPS", "140")[1])
    newer = recipe(ledger, "TEMPERATURE", "0.9")[1]
    ledger.set_incumbent(commit(ledger, 2, newer))
    offer = offer_of(mine, ledger, SPEC, Said("Fewer steps overfit less"))
    assert applied(ledger, offer) == {"recipe.py": recipe(ledger, "STEPS", "140")[1]}
    ledger.set_incumbent(commit(ledger, 3, recipe(ledger, "STEPS", "130")[1]))
    with pytest.raises(EditError, match="SEARCH matches nothing"):
        offer_of(mine, ledger, SPEC, Said("Fewer steps overfit less"))


def commit(ledger: Ledger, number: int, text: str) -> str:
    return ledger.commit_code(
        number,
        "baseline",
        0,
        {"recipe.py": text},
        hypothesis="It differs",
        mechanism="",
        researcher="person",
        predicted_score_change=None,
        predicted_entropy=None,
    )


def test_more_than_a_person_may_change_is_refused_by_name(ledger: Ledger, clone: Path) -> None:
    (clone / "train.py").write_text("print('mine')\n")
    (clone / "notes.txt").write_text("mine\n")
    git(clone, "add", "-A")
    git(clone, "commit", "-q", "-m", "More than I may")
    with pytest.raises(UnusableOffer, match=r"^notes\.txt, train\.py may not be changed\. Editable: "):
        offer_of(f"{clone}#mine", ledger, SPEC, Said())


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("git rm -q recipe.py", r"recipe\.py cannot be deleted"),
        ("ln -sf /etc/passwd recipe.py", r"recipe\.py would be no plain files"),
        ("printf '\\377' > recipe.py", r"recipe\.py are no text"),
        ("chmod +x recipe.py", "changes nothing"),
        ("true", "changes nothing"),
    ],
)
def test_a_branch_that_is_no_change_of_texts_is_refused(
    ledger: Ledger, clone: Path, change: str, why: str
) -> None:
    subprocess.run(["sh", "-c", change], cwd=clone, check=True)
    git(clone, "add", "-A")
    git(clone, "commit", "-q", "--allow-empty", "-m", "No change of texts")
    with pytest.raises(UnusableOffer, match=why):
        offer_of(f"{clone}#mine", ledger, SPEC, Said())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (STALE, "does not apply to the incumbent"),
        ("not a patch\n", "does not apply to the incumbent"),
        ("--- /dev/null\n+++ b/train.py\n@@ -0,0 +1 @@\n+x\n", "does not apply to the incumbent"),
        ("--- /dev/null\n+++ b/more.py\n@@ -0,0 +1 @@\n+x\n", "more.py may not be changed"),
        ("--- /dev/null\n+++ b/../../x.py\n@@ -0,0 +1 @@\n+x\n", "does not apply to the incumbent"),
    ],
)
def test_a_patch_that_cannot_be_tried_is_refused_in_one_sentence(
    ledger: Ledger, tmp_path: Path, text: str, why: str
) -> None:
    (tmp_path / "idea.diff").write_text(text)
    with pytest.raises(UnusableOffer, match=why) as refused:
        offer_of(str(tmp_path / "idea.diff"), ledger, SPEC, Said())
    assert "\n" not in str(refused.value)


def test_what_is_no_patch_and_no_branch_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    for source, why in (
        ("no-such-thing", "neither a patch file nor"),
        (f"{tmp_path}#main", "no git repository"),
    ):
        with pytest.raises(UnusableOffer, match=why):
            offer_of(source, ledger, SPEC, Said())


def test_an_offer_waits_is_taken_once_and_keeps_no_secret(ledger: Ledger, tmp_path: Path) -> None:
    old, new = recipe(ledger, "STEPS", "140")
    run = tmp_path / "run"
    run.mkdir()
    source = str(patch(tmp_path / "idea.diff", old, new))
    names = [inbox.leave(run, offer_of(source, ledger, SPEC, Said(f"Idea {n} {KEY}"))) for n in (1, 2, 3)]
    assert len(inbox.waiting(run)) == 3
    for number in (4, 5):
        folder = AttemptFolder(run, number)
        inbox.take(run, folder.path)
        inbox.take(run, folder.path)
        assert folder.offered is not None
        assert folder.offered.hypothesis == f"Idea {number - 3} [secret]"
    assert [inbox.attempt_of(run, name) for name in names] == [4, 5, None]
    assert [inbox.withdraw(run, name) for name in names] == [False, False, True]
    assert inbox.waiting(run) == []
