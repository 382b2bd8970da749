"""`szilard controls compare` and `szilard study` on a small domain: real, killed, gone on with."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

DOMAIN = Path(__file__).parent / "quick_countdown.py"
SZILARD = Path(sys.executable).with_name("szilard")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def szilard(*arguments: str, cwd: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [str(SZILARD), *arguments], cwd=cwd, capture_output=True, text=True, timeout=800, check=False
    )
    assert done.returncode == code, done.stdout[-2000:] + done.stderr[-2000:]
    return done


def launches(folder: Path) -> list[str]:
    return [json.loads(line)["key"] for line in (folder / "trainings.jsonl").read_text().splitlines()]


def test_a_comparison_is_gone_on_with_and_ends_as_files_that_can_be_cited(tmp_path: Path) -> None:
    command = ("controls", "compare", "KlCov", "--environment", str(DOMAIN), "--seeds", "2", "--out", "made")
    first = subprocess.Popen(
        [str(SZILARD), *command], cwd=tmp_path, stdout=subprocess.DEVNULL, start_new_session=True
    )
    made = tmp_path / "made"
    while not (made / "measurements").exists() or len(list((made / "measurements").glob("*.json"))) < 3:
        assert first.poll() is None
        time.sleep(0.2)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    done = szilard(*command, cwd=tmp_path)
    assert "| KlCov (fraction 0.02) |" in done.stdout
    trained = launches(made)
    assert len(trained) - len(set(trained)) <= 2, "no more than the trainings in flight are repeated"
    with (made / "results.csv").open() as file:
        rows = {row["control"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["none", "KlCov", "KlCov (fraction 0.02)"]
    assert 0 < float(rows["KlCov"]["touched_share"]) < float(rows["KlCov (fraction 0.02)"]["touched_share"])
    assert all(row["seeds"] == "2" and row["failure"] == "" for row in rows.values())
    assert len({row["entropy_start"] for row in rows.values()}) == 1
    assert (made / "trajectories.svg").read_text().count("KlCov") >= 1
    settings = json.loads((made / "comparison.json").read_text())
    assert {"versions", "seeds", "seed", "template"} <= settings.keys()
    table = (made / "table.md").read_text()
    again = szilard(*command, cwd=tmp_path)
    assert (made / "table.md").read_text() == table
    assert launches(made) == trained
    assert "Written:" in again.stdout


def test_a_folder_of_another_comparison_is_refused(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "comparison.json").write_text('{"seeds": 9}')
    done = szilard(
        "controls", "compare", "KlCov", "--environment", str(DOMAIN), "--out", "made", cwd=tmp_path, code=2
    )
    assert "another comparison" in done.stderr or "comparison with another" in done.stderr


def test_a_study_writes_its_rules_first_and_then_what_it_found(tmp_path: Path) -> None:
    command = ("study", "entropy-law", "--environment", str(DOMAIN), "--seeds", "2", "--pages", "pages")
    szilard(*command, "--rules", cwd=tmp_path)
    page = tmp_path / "pages" / "entropy-law.md"
    rules = page.read_text().partition("## On")[0]
    assert "*Rule.*" in rules
    done = szilard(*command, "--json", cwd=tmp_path)
    last = json.loads(done.stdout.splitlines()[-1])
    assert len(last["findings"]) == 2
    assert page.read_text().partition("## On")[0] == rules
    assert "median R²" in page.read_text()
