"""Budgets that hold in a real run, and figures that agree with its records to the digit."""

from __future__ import annotations

import json
import math
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.a_short_run import SZILARD, launches, run_command, run_proposing

pytestmark = pytest.mark.slow

SECONDS = 90.0
TOKENS = 60_000
REFUSED = {
    "hypothesis": "What is protected is where the gain lies",
    "mechanism": "It cannot be edited, so nothing is trained.",
    "predicted_score_change": 0.1,
    "predicted_entropy": 0.5,
    "edits": [{"path": "train.py", "content": "print()\n"}],
}


def status(run: Path) -> dict[str, Any]:
    done = subprocess.run([SZILARD, "status", str(run), "--json"], capture_output=True, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_training_seconds_hold_and_are_those_of_the_records(tmp_path: Path) -> None:
    command = [*run_command(tmp_path, "run", attempts=60), "--training-seconds", str(SECONDS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=550)
    assert done.returncode == 0, done.stderr
    assert "of --training-seconds 90 are used" in done.stdout
    run = tmp_path / "run"
    rows = [json.loads(line) for line in (run / "trained.jsonl").read_text().splitlines()]
    assert sorted(row["key"] for row in rows) == sorted(launches(run).elements())
    used = math.fsum(row["seconds"] for row in rows)
    assert 0 < used <= SECONDS
    spent = status(run)["spent"]
    assert (spent["training_seconds"], spent["trainings_cut_off"]) == (used, 0)
    assert f"| training seconds | {used:,.1f} | 90 |" in (run / "report.md").read_text()


def test_tokens_and_dollars_hold_and_are_those_of_the_records(tmp_path: Path) -> None:
    command = [
        *run_command(tmp_path, "run", attempts=30),
        *("--tokens", str(TOKENS), "--dollars", "5", "--price", "0.15/0.6"),
    ]
    done = run_proposing(lambda _: REFUSED, command, 90)
    assert done.returncode == 0, done.stderr
    assert "No further attempt: not asked: the request would exceed" in done.stdout
    run = tmp_path / "run"
    replies = [
        json.loads(line)
        for path in run.glob("attempts/*/conversation.jsonl")
        for line in path.read_text().splitlines()
    ]
    prompt, completion = (sum(row[f"{name}_tokens"] for row in replies) for name in ("prompt", "completion"))
    assert 0 < prompt + completion <= TOKENS
    found = status(run)
    assert found["spent"]["tokens"] == prompt + completion
    dollars = (prompt * Decimal("0.15") + completion * Decimal("0.6")) / 1_000_000
    assert Decimal(found["spent"]["dollars"]) == dollars
    report = (run / "report.md").read_text()
    assert f"| tokens | {prompt + completion:,} | {TOKENS:,} |" in report
    assert f"| dollars | {dollars.normalize():f} | 5 |" in report
    assert found["attempts"]["made"] < 30
    assert "--price 0.15/0.6" in report
