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
from tests.end_to_end.a_short_run import SZILARD, git, launches, trailer
from tests.end_to_end.test_bad_input import begin, refused, szilard, wait_for

pytestmark = pytest.mark.slow
ENVIRONMENT = Path(__file__).parent / "instant_domain.py"


def command(run: Path, *more: str, attempts: int = 1, workers: int = 1, metric: str = "solved") -> list[str]:
    """Of `solved` a higher rate gives more, of `luck` nothing does: then the incumbent stays where it is."""
    return [
        *("run", "Solve more", "--environment", str(ENVIRONMENT), "--runs-dir", str(run.parent)),
        *("--name", run.name, "--metric", metric, "--attempts", str(attempts), "--seeds", "3"),
        *("--workers", str(workers), "--sandbox", "none", "--json", *more),
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
    patch = patch_of(ended, tmp_path / "idea.diff", "1e-7")
    assert "Your change is attempt 2, " in done("attempt", ended, "--from", patch)
    data = json.loads(done("show", ended, "2", "--json"))
    assert data["predicted_score_change"] is None
    assert data["predicted_entropy"] is None
    assert "score change not said" in git(ended, "log", "--format=%b", "attempts/0002")
    trained = launches(ended)
    again = done("attempt", ended, "--from", "attempts/0002", "--hypothesis", "The same once more")
    assert "Your change is attempt 3, refused: this code equals attempt 2's" in again
    assert launches(ended) == trained


@pytest.fixture(scope="module")
def ended_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "ended"
    done(*command(run, "--researcher", "random"))
    return run


def test_a_running_run_takes_a_person_s_attempt_as_its_next(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "running"
    process = begin([SZILARD, *command(run, "--researcher", "random", attempts=16, metric="luck")])
    wait_for(process, "train", 1)
    assert process.stdout is not None
    patch = patch_of(run, tmp_path / "idea.diff", "6e-4")
    told = done("attempt", run, "--from", patch)
    assert "is its next attempt" in told
    _output, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    found = researchers(run)
    assert list(found.values()).count("person") == 1
    assert len(found) == 16
    assert agrees(run)


def test_between_resumes_a_person_s_attempt_is_made_alone_and_the_run_goes_on_after_it(
    tmp_path: Path,
) -> None:
    run = tmp_path / "runs" / "stopped"
    process = begin([SZILARD, *command(run, "--researcher", "random", attempts=5, workers=2, metric="luck")])
    wait_for(process, "train", 1)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    patch = patch_of(run, tmp_path / "idea.diff", "6e-4")
    told = done("attempt", run, "--from", patch)
    made = [*researchers(run).values()]
    assert f"Your change is attempt {len(made)}, " in told
    assert len(made) <= 3
    assert made == ["random"] * (len(made) - 1) + ["person"]
    assert not (run / "confirmation.json").exists()
    done("resume", run)
    assert [*researchers(run).values()] == made + ["random"] * (5 - len(made))
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


def test_the_program_of_the_docs_researches_in_the_sandbox_and_its_proposal_is_kept(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "coding-agents.md").read_text()
    script = tmp_path / "agent.sh"
    script.write_text(page.partition("```sh\n#!/bin/sh\n")[2].partition("```")[0] + "echo done >&2\n")
    run = tmp_path / "runs" / "programmed"
    words = command(run, "--researcher", "command", "--researcher-command", f"sh {script}", attempts=2)
    words[words.index("none")] = "auto"
    assert f"sh {script}" in done(*words)
    assert (trailer(run, 1, "Verdict"), researchers(run)) == ("kept", {1: "command", 2: "command"})
    assert trailer(run, 2, "Verdict") == "refused"
    assert "Nothing was changed" in trailer(run, 2, "Reason")
    conversation = git(run, "show", "refs/szilard/evidence:attempts/0001/conversation.jsonl")
    assert json.loads(conversation)["reply"].strip() == "done"
    assert agrees(run)
