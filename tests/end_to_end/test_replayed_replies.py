"""`szilard run --replay RUN`: the replies of another run, given again offline, make the same ledger."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.a_short_run import SZILARD, git, resume_command, run_proposing, story, trailer

pytestmark = pytest.mark.slow

ENVIRONMENT = str(Path(__file__).parent / "instant_domain.py")
ATTEMPTS = 4
EVIDENCE = "refs/szilard/evidence"


def command(runs: Path, name: str, *more: str, attempts: int = ATTEMPTS) -> list[str]:
    return [
        *(SZILARD, "run", "Solve more", "--environment", ENVIRONMENT, "--runs-dir", str(runs)),
        *("--name", name, "--metric", "solved", "--attempts", str(attempts), "--seeds", "2"),
        *("--workers", "1", "--sandbox", "none", "--json", *more),
    ]


def proposed(number: int) -> dict[str, Any]:
    """A winner first, then a duplicate of it, then what cannot be applied, then another rate."""
    rates = {1: ("3e-4", "6e-4"), 2: ("6e-4", "6e-4 "), 3: ("7e-1", "8e-4"), 4: ("6e-4", "5e-4")}
    before, after = rates[number]
    return {
        "hypothesis": f"Attempt {number} learns at another rate",
        "mechanism": "Larger steps.",
        "predicted_score_change": 0.01,
        "predicted_entropy": 0.3,
        "edits": [
            {
                "path": "recipe.py",
                "search": f"LEARNING_RATE = {before}",
                "replace": f"LEARNING_RATE = {after}",
            }
        ],
    }


def offline(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """A command without a key, and with an endpoint that nobody listens at."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    environ["OPENAI_BASE_URL"] = "http://127.0.0.1:9/v1"
    return subprocess.run(words, capture_output=True, text=True, timeout=300, env=environ)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("runs")
    done = run_proposing(proposed, command(runs, "original"), 3 * ATTEMPTS)
    assert done.returncode == 0, done.stderr
    run = runs / "original"
    assert trailer(run, 1, "Verdict") == "kept"
    assert {trailer(run, number, "Verdict") for number in (2, 3)} == {"refused"}
    return run


def conversations(run: Path) -> str:
    """The hashes of what was asked and said, as the ledger's evidence holds it."""
    listed = git(run, "ls-tree", "-r", EVIDENCE, "attempts").splitlines()
    return "\n".join(line for line in listed if line.endswith("conversation.jsonl"))


def test_a_replay_makes_the_same_ledger_offline(original: Path) -> None:
    done = offline(command(original.parent, "replayed", "--replay", "original"))
    assert done.returncode == 0, done.stderr
    replayed = original.with_name("replayed")
    assert story(replayed) == story(original)
    assert conversations(replayed) == conversations(original) != ""
    assert json.loads((replayed / "run.json").read_text())["replays"] == str(original)
    assert f"--replay {original}" in (replayed / "report.md").read_text()


def test_the_evidence_of_the_ledger_is_enough(original: Path, tmp_path: Path) -> None:
    bare = original.with_name("bare")
    shutil.copytree(original / "repository", bare / "repository", symlinks=True)
    shutil.copy(original / "run.json", bare)
    done = offline(command(original.parent, "from-evidence", "--replay", str(bare)))
    assert done.returncode == 0, done.stderr
    assert story(original.with_name("from-evidence")) == story(original)


def test_a_question_without_a_stored_reply_stops_the_run_and_names_the_attempt(original: Path) -> None:
    lost = original.with_name("lost")
    shutil.copytree(original, lost, symlinks=True)
    (lost / "attempts" / "0003" / "conversation.jsonl").write_text("")
    done = offline(command(original.parent, "stops", "--replay", "lost"))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"{lost} has no stored reply to what attempt 3 asks" in done.stderr
    shutil.copy(original / "attempts" / "0003" / "conversation.jsonl", lost / "attempts" / "0003")
    assert offline(resume_command(original.with_name("stops"))).returncode == 0
    assert story(original.with_name("stops")) == story(original)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--seed", "5"], "was asked otherwise, so its replies do not fit: seed (0 there, 5 here)"),
        (["--model", "other"], "leave --model and --researcher away"),
    ],
)
def test_a_replay_that_would_ask_something_else_is_refused_before_anything_is_trained(
    original: Path, more: list[str], told: str
) -> None:
    done = offline(command(original.parent, "refused", "--replay", "original", *more))
    assert done.returncode == 2
    assert told in done.stderr
    assert not original.with_name("refused").exists()
