"""A language model's run: what it was sent, and what a proposal that repeats another one costs."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.agent.scripted_server import Answer, Request, ScriptedServer, said
from tests.end_to_end.a_short_run import SZILARD, run_command, trailer

pytestmark = pytest.mark.slow
INSTANT = str(Path(__file__).parent / "instant_domain.py")
RATES = {1: ["2e-3"], 2: ["2.02e-3", "2.03e-3", "1e-4"]}


def proposal(rate: str) -> str:
    return json.dumps(
        {
            "hypothesis": f"A learning rate of {rate} solves more",
            "mechanism": "Larger steps.",
            "predicted_score_change": 0.01,
            "predicted_entropy": 0.3,
            "edits": [
                {
                    "path": "recipe.py",
                    "search": "LEARNING_RATE = 3e-4\n",
                    "replace": f"LEARNING_RATE = {rate}\n",
                }
            ],
        }
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Request]]:
    """Attempt 2 proposes twice what attempt 1 was but for a percent, and then something else."""
    runs = tmp_path_factory.mktemp("runs")
    answers: list[Answer] = [said(proposal(rate)) for number in (1, 2) for rate in RATES[number]]
    command = run_command(runs, "repeats", attempts=2, environment=INSTANT)
    with ScriptedServer(*answers) as server:
        done = subprocess.run(
            [*command, "--metric", "luck", "--model", "scripted"],
            capture_output=True,
            text=True,
            timeout=550,
            env={"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "sk-none", "PATH": "/usr/bin:/bin"},
        )
    assert done.returncode == 0, done.stderr
    return runs / "repeats", server.requests


def test_a_repetition_costs_no_training_and_is_told_what_came_of_the_first(
    run: tuple[Path, list[Request]],
) -> None:
    directory, requests = run
    assert len(requests) == 4
    for request in requests[2:]:
        told = request.messages[-1]["content"]
        assert f"this code is attempt 1's ({trailer(directory, 1, 'Verdict')}, " in told
        assert "recipe.py 0.002 and now 0.0020" in told
    rows = [json.loads(line) for line in (directory / "trainings.jsonl").read_text().splitlines()]
    screened = [row["folder"] for row in rows if row["seed"] == 0 and row["folder"] != "0000"]
    assert screened == ["0001", "0002"]
    assert trailer(directory, 2, "Verdict") not in ("refused", "crashed")


def test_what_was_sent_is_shown_word_for_word(run: tuple[Path, list[Request]]) -> None:
    directory, requests = run
    shown = subprocess.run(
        [SZILARD, "context", str(directory), "2", "--json"], capture_output=True, text=True, check=True
    )
    assert [one["turns"] for one in json.loads(shown.stdout)] == [
        request.messages for request in requests[1:]
    ]
    following = subprocess.run(
        [SZILARD, "context", str(directory)], capture_output=True, text=True, check=True
    )
    assert "This is attempt 3 of 2; 0 more may follow it." in following.stdout
    assert "2 | 0 | language-model | " in following.stdout
