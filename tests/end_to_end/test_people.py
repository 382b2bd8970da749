"""A person in the loop: their own attempt through the gate, their notes, and words that steer a run."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from difflib import unified_diff
from pathlib import Path

import pytest

from tests.agent.scripted_server import Answer, Request, ScriptedServer, said
from tests.end_to_end.a_short_run import SZILARD, git, trailer
from tests.end_to_end.test_bad_input import begin, refused, szilard, wait_for

pytestmark = pytest.mark.slow
ENVIRONMENT = Path(__file__).parent / "instant_domain.py"
STALE = """\
--- a/recipe.py
+++ b/recipe.py
@@ -24,3 +24,3 @@
 from session import Rollout, Session
-LEARNING_RATE = 7e-4
+LEARNING_RATE = 1e-3
 STEPS = 150
"""


def command(run: Path, *more: str, attempts: int = 1) -> list[str]:
    return [
        *("run", "Solve more", "--environment", str(ENVIRONMENT), "--runs-dir", str(run.parent)),
        *("--name", run.name, "--metric", "solved", "--attempts", str(attempts), "--seeds", "3"),
        *("--workers", "1", "--sandbox", "none", "--json", *more),
    ]


def done(*arguments: str | Path) -> str:
    ended = szilard(*arguments)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def patch_of(run: Path, path: Path, new: str) -> Path:
    """A patch that sets another learning rate in the incumbent's recipe."""
    old = git(run, "show", "main:recipe.py")
    changed = re.sub(r"^LEARNING_RATE = .*$", f"LEARNING_RATE = {new}", old, flags=re.M)
    names = ("a/recipe.py", "b/recipe.py")
    lines = unified_diff(old.splitlines(keepends=True), changed.splitlines(keepends=True), *names)
    path.write_text("".join(lines))
    return path


def researchers(run: Path) -> dict[int, str]:
    numbers = [
        int(ref[-4:])
        for ref in git(run, "for-each-ref", "--format=%(refname)", "refs/heads/attempts").split()
    ]
    return {
        number: git(
            run, "log", "--format=%(trailers:key=Researcher,valueonly)", f"attempts/{number:04d}"
        ).split()[0]
        for number in numbers
    }


def agrees(run: Path) -> bool:
    return szilard("fsck", run).returncode == 0


@pytest.fixture
def ended(tmp_path: Path) -> Path:
    """A run of one attempt of the random researcher that has ended."""
    run = tmp_path / "runs" / "ended"
    done(*command(run, "--researcher", "random"))
    return run


def test_a_person_s_patch_of_an_ended_run_is_judged_as_any_other_and_the_run_ends_again(
    ended: Path, tmp_path: Path
) -> None:
    patch = patch_of(ended, tmp_path / "idea.diff", "1.2e-3")
    told = done(
        *("attempt", ended, "--from", patch, "--hypothesis", "Four times the rate solves more"),
        *("--predicted-score-change", "0.1", "--predicted-entropy", "0.3"),
    )
    assert "Your change is attempt 2, kept" in told
    assert researchers(ended)[2] == "person"
    assert trailer(ended, 2, "Verdict") == "kept"
    assert float(trailer(ended, 2, "Alpha-Spent")) > 0
    assert trailer(ended, 2, "Seeds")
    assert trailer(ended, 2, "Stretch") == "2"
    assert git(ended, "rev-parse", "main") == git(ended, "rev-parse", "attempts/0002")
    confirmation = json.loads((ended / "confirmation.json").read_text())
    assert confirmation["winner"]["attempt"] == 2
    shown = done("show", ended, "2")
    assert "by person" in shown
    assert "Four times the rate" in shown
    assert agrees(ended)


def test_the_same_code_again_is_refused_without_training_and_an_unsaid_prediction_stays_unsaid(
    ended: Path, tmp_path: Path
) -> None:
    patch = patch_of(ended, tmp_path / "idea.diff", "1.2e-3")
    done("attempt", ended, "--from", patch)
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", ended / "repository", clone], check=True)
    for words in (["checkout", "-q", "-b", "mine"], ["commit", "-q", "--allow-empty", "-m", "x"]):
        subprocess.run(
            ["git", "-C", clone, "-c", "user.name=me", "-c", "user.email=me@x", *words], check=True
        )
    assert "changes nothing" in refused("attempt", ended, "--from", f"{clone}#mine")
    data = json.loads(done("show", ended, "2", "--json"))
    assert data["predicted_score_change"] is None
    assert data["predicted_entropy"] is None
    assert "score change not said" in git(ended, "log", "--format=%b", "attempts/0002")


def test_a_branch_of_a_clone_is_tried_with_its_subject_as_hypothesis(ended: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", ended / "repository", clone], check=True)
    git_of_me = ["git", "-C", str(clone), "-c", "user.name=me", "-c", "user.email=me@x"]
    subprocess.run([*git_of_me, "checkout", "-q", "-b", "mine"], check=True)
    recipe = clone / "recipe.py"
    recipe.write_text(recipe.read_text().replace("WARM_UP = 5", "WARM_UP = 4"))
    subprocess.run([*git_of_me, "commit", "-q", "-a", "-m", "A shorter warm-up learns sooner"], check=True)
    told = done("attempt", ended, "--from", f"{clone}#mine")
    assert "Your change is attempt 2, " in told
    assert "A shorter warm-up learns sooner" in done("show", ended, "2")
    (clone / "train.py").write_text("print('mine')\n")
    (clone / "notes.txt").write_text("mine\n")
    subprocess.run([*git_of_me, "add", "-A"], check=True)
    subprocess.run([*git_of_me, "commit", "-q", "-m", "More than I may"], check=True)
    why = refused("attempt", ended, "--from", f"{clone}#mine")
    assert "notes.txt, train.py may not be changed" in why
    assert not list((ended / "inbox").glob("*"))
    assert max(researchers(ended)) == 2


@pytest.mark.parametrize(
    ("patch", "why"),
    [
        (STALE, "does not apply to the incumbent"),
        ("not a patch\n", "does not apply to the incumbent"),
        ("--- /dev/null\n+++ b/train.py\n@@ -0,0 +1 @@\n+x\n", "does not apply to the incumbent"),
        ("--- /dev/null\n+++ b/more.py\n@@ -0,0 +1 @@\n+x\n", "more.py may not be changed"),
        ("--- /dev/null\n+++ b/../../x.py\n@@ -0,0 +1 @@\n+x\n", "does not apply to the incumbent"),
    ],
)
def test_a_patch_that_cannot_be_tried_is_refused_in_one_sentence(
    tmp_path: Path, ended_once: Path, patch: str, why: str
) -> None:
    (tmp_path / "idea.diff").write_text(patch)
    assert why in refused("attempt", ended_once, "--from", tmp_path / "idea.diff")
    assert not list(ended_once.glob("inbox/*"))


@pytest.fixture(scope="module")
def ended_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "ended"
    done(*command(run, "--researcher", "random"))
    return run


def test_what_is_no_patch_and_no_branch_is_refused(ended_once: Path, tmp_path: Path) -> None:
    assert "neither a patch file nor a branch" in refused("attempt", ended_once, "--from", "no-such-thing")
    assert "is no git repository" in refused("attempt", ended_once, "--from", f"{tmp_path}#main")
    assert "There is no run" in refused("attempt", tmp_path / "none", "--from", "main")


def test_a_running_run_takes_a_person_s_attempt_as_its_next(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "running"
    process = begin([SZILARD, *command(run, "--researcher", "random", attempts=4)])
    wait_for(process, "train", 1)
    assert process.stdout is not None
    patch = patch_of(run, tmp_path / "idea.diff", "6e-4")
    told = done("attempt", run, "--from", patch)
    assert "is its next attempt" in told
    _output, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    found = researchers(run)
    assert list(found.values()).count("person") == 1
    assert len(found) == 4
    assert agrees(run)


def test_between_resumes_a_person_s_attempt_is_made_alone_and_the_run_goes_on_after_it(
    tmp_path: Path,
) -> None:
    run = tmp_path / "runs" / "stopped"
    process = begin([SZILARD, *command(run, "--researcher", "random", attempts=4)])
    wait_for(process, "train", 1)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    patch = patch_of(run, tmp_path / "idea.diff", "6e-4")
    told = done("attempt", run, "--from", patch)
    assert "Your change is attempt 2, " in told
    assert researchers(run) == {1: "random", 2: "person"}
    assert not (run / "confirmation.json").exists()
    done("resume", run)
    assert [*researchers(run).values()] == ["random", "person", "random", "random"]
    assert agrees(run)


def test_steering_reaches_the_next_proposal_of_a_run_under_way_and_is_part_of_its_evidence(
    tmp_path: Path,
) -> None:
    run = tmp_path / "runs" / "steered"

    def answer(request: Request) -> Answer:
        number = 1 + sum("Attempt-Number" in one for one in asked)
        asked.append(f"Attempt-Number {request.messages[1]['content']}")
        if number == 1:
            told.append(
                done(
                    "steer", run, "Leave the \x1b[1mwarm-up\x1b[0m alone; my key is sk-0123456789abcdefghijkl"
                )
            )
        rate = {1: "4e-4", 2: "5e-4"}[number]
        old = git(run, "show", "main:recipe.py").partition("LEARNING_RATE = ")[2].partition("\n")[0]
        edit = {
            "path": "recipe.py",
            "search": f"LEARNING_RATE = {old}\n",
            "replace": f"LEARNING_RATE = {rate}\n",
        }
        return said(
            json.dumps(
                {
                    "hypothesis": f"A rate of {rate} solves more",
                    "mechanism": "It learns faster.",
                    "predicted_score_change": 0.02,
                    "predicted_entropy": 0.3,
                    "edits": [edit],
                }
            )
        )

    asked: list[str] = []
    told: list[str] = []
    with ScriptedServer(answer, answer) as server:
        ended = szilard(
            *command(run, "--model", "scripted", attempts=2),
            OPENAI_BASE_URL=server.base_url,
            OPENAI_API_KEY="sk-none",
        )
    assert ended.returncode == 0, ended.stderr
    assert "reads it at its next proposal" in told[0]
    assert "What the person says" not in asked[0]
    assert "What the person says" in asked[1]
    assert "Leave the warm-up alone; my key is [secret]" in asked[1]
    done("note", run, "1", "The gain came early")
    kept = git(run, "show", "refs/szilard/evidence:remarks.jsonl")
    assert kept == (run / "remarks.jsonl").read_text()
    assert "The gain came early" in kept
    assert "Leave the warm-up alone" in done("status", run)
    assert "The gain came early" in done("show", run, "1")
    assert json.loads(done("show", run, "1", "--json"))["notes"][0]["text"] == "The gain came early"
    assert agrees(run)
    (run / "remarks.jsonl").write_text("")
    assert "has lost something" in szilard("fsck", run).stdout
    mending = (
        f"git -C {run / 'repository'} show refs/szilard/evidence:remarks.jsonl > {run / 'remarks.jsonl'}"
    )
    subprocess.run(mending, shell=True, check=True)
    assert agrees(run)


def test_who_cannot_read_is_told_of_and_a_note_needs_its_attempt(ended_once: Path) -> None:
    assert "researcher is random, which reads no words" in done("steer", ended_once, "Try advantages")
    assert "has no attempt 9" in refused("note", ended_once, "9", "What of this?")
    assert "The text is empty" in refused("steer", ended_once, "  ")
