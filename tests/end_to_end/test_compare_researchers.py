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


def command(*researchers: str, runs: int = 2) -> list[str]:
    return [
        SZILARD, "compare-researchers", *researchers, "--environment", DOMAIN, "--training-seconds", "600",
        "--runs", str(runs), "--attempts", "6", "--seeds", "3", "--workers", "2", "--out", "made",
    ]  # fmt: skip


def test_a_comparison_is_gone_on_with_and_shares_what_runs_of_a_seed_have_in_common(tmp_path: Path) -> None:
    first = subprocess.Popen(
        command("random", "catalogue"), cwd=tmp_path, stdout=subprocess.DEVNULL, start_new_session=True
    )
    runs = tmp_path / "made" / "runs"
    while not (runs / "random-0" / "baseline.json").exists():
        assert first.poll() is None
        time.sleep(0.1)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    done = subprocess.run(
        command("random", "catalogue"), cwd=tmp_path, capture_output=True, text=True, timeout=800
    )
    assert done.returncode == 0, done.stderr
    assert "area against random" in done.stdout
    names = [f"{researcher}-{seed}" for seed in (0, 1) for researcher in ("random", "catalogue")]
    assert sorted(path.name for path in runs.iterdir() if not path.name.startswith(".")) == sorted(names)
    for seed in (0, 1):
        mine, other = (baseline_of(runs / f"{researcher}-{seed}") for researcher in ("random", "catalogue"))
        assert mine == other, "trained once, charged to both"
        began = json.loads((runs / f"catalogue-{seed}" / "baseline.json").read_text())["score"]
        assert began == json.loads((runs / f"random-{seed}" / "baseline.json").read_text())["score"]
        assert set(launches(runs / f"catalogue-{seed}").values()) == {1}
    with (tmp_path / "made" / "runs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [f"{row['researcher']}-{row['seed']}" for row in rows] == names
    assert all(row["attempts"] == "6" for row in rows)
    assert any(float(row["area"]) > 0 for row in rows), "a higher learning rate gains here"
    trained = {name: launches(runs / name) for name in names}
    again = subprocess.run(
        command("random", "catalogue", "tpe", runs=1),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=800,
    )
    assert again.returncode == 0, again.stderr
    assert {name: launches(runs / name) for name in names} == trained, "what is there is not made again"
    assert (runs / "tpe-0").exists()


def baseline_of(run: Path) -> list[tuple[str, int]]:
    rows = [json.loads(line) for line in (run / "trained.jsonl").read_text().splitlines()]
    return sorted((row["key"], row["seed"]) for row in rows if row["folder"] == "0000" and row["seed"] < 6)


def test_a_folder_of_another_comparison_is_refused(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "comparison.json").write_text('{"seeds": 9}')
    done = subprocess.run(command("random"), cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert done.returncode == 2
    assert "comparison with another" in done.stderr
