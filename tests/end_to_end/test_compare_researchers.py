"""`szilard compare-researchers` on a domain that trains in an instant: real runs, killed, gone on with."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.end_to_end.a_short_run import SZILARD, launches

DOMAIN = str(Path(__file__).parent / "instant_domain.py")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


COMMAND = [
    SZILARD, "compare-researchers", "random", "catalogue", "--environment", DOMAIN,
    "--training-seconds", "600",
    "--runs", "1", "--attempts", "4", "--seeds", "2", "--workers", "2", "--out", "made",
]  # fmt: skip


def test_a_comparison_is_gone_on_with_and_shares_what_runs_of_a_seed_have_in_common(tmp_path: Path) -> None:
    first = subprocess.Popen(COMMAND, cwd=tmp_path, stdout=subprocess.DEVNULL, start_new_session=True)
    runs = tmp_path / "made" / "runs"
    while not (runs / "random-0" / "baseline.json").exists():
        assert first.poll() is None
        time.sleep(0.1)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    done = subprocess.run(COMMAND, cwd=tmp_path, capture_output=True, text=True, timeout=800)
    assert done.returncode == 0, done.stderr
    assert "area against random" in done.stdout
    mine, other = (baseline_of(runs / name) for name in ("random-0", "catalogue-0"))
    assert mine == other, "trained once, charged to both"
    known = [json.loads((runs / name / "baseline.json").read_text()) for name in ("random-0", "catalogue-0")]
    assert known[0]["score"] == known[1]["score"]
    assert set(launches(runs / "catalogue-0").values()) == {1}
    with (tmp_path / "made" / "runs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["researcher"], row["seed"], row["attempts"]) for row in rows] == [
        ("random", "0", "4"), ("catalogue", "0", "4"),
    ]  # fmt: skip
    trained, table = launches(runs / "random-0"), (tmp_path / "made" / "table.md").read_text()
    again = subprocess.run(COMMAND, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert again.returncode == 0, again.stderr
    assert (launches(runs / "random-0"), (tmp_path / "made" / "table.md").read_text()) == (trained, table)


def baseline_of(run: Path) -> list[tuple[str, int]]:
    rows = [json.loads(line) for line in (run / "trained.jsonl").read_text().splitlines()]
    return sorted((row["key"], row["seed"]) for row in rows if row["folder"] == "0000" and row["seed"] < 5)


def test_a_folder_of_another_comparison_is_refused(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "comparison.json").write_text('{"seeds": 9}')
    done = subprocess.run(COMMAND, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert done.returncode == 2
    assert "comparison with another" in done.stderr
