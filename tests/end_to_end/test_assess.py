"""`szilard env assess` and what `szilard run` makes of it, through the installed command."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from environments.examples import unsuitable
from tests.end_to_end.a_short_run import SZILARD

FOLDER = Path(unsuitable.__file__).parent
INSTANT = Path(__file__).parent / "instant_domain.py"


def call(*arguments: str | Path, seconds: float = 200) -> subprocess.CompletedProcess[str]:
    command = [SZILARD, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds)


def run(environment: Path, runs: Path, name: str, *more: str) -> subprocess.CompletedProcess[str]:
    asked = ("--environment", environment, "--runs-dir", runs, "--name", name, "--seeds", "2")
    return call("run", "Better", *asked, "--attempts", "1", *more)


def test_an_assessment_says_verdict_probe_and_remedy_as_table_and_as_json(tmp_path: Path) -> None:
    asked = ("env", "assess", FOLDER / "constant_score.py", "--runs-dir", tmp_path)
    told = call(*asked)
    assert told.returncode == 0, told.stderr
    assert "constant-score is UNSUITABLE. M6 (trained is told from worse)" in told.stdout
    assert "Not reached, since M6 decides: " in told.stdout
    data = json.loads(call(*asked, "--json").stdout)
    assert (data["known"], data["assessment"]["outcome"], data["assessment"]["deciding"]) == (
        True,
        "unsuitable",
        "M6",
    )
    assert data["assessment"]["thresholds"]["gap"] == 2.0
    refused = run(FOLDER / "constant_score.py", tmp_path, "a-run")
    assert refused.returncode == 2
    assert "cannot be researched as it is. M6" in refused.stderr
    assert "--force" in refused.stderr
    assert "Training the baseline" not in refused.stdout


@pytest.mark.slow
def test_a_run_refuses_by_its_own_baseline_and_goes_on_when_forced(tmp_path: Path) -> None:
    hopeless = tmp_path / "hopeless.py"
    hopeless.write_text(
        INSTANT.read_text().replace("TRAINED, GAIN, NOISE = 0.1, 0.4", "TRAINED, GAIN, NOISE = 0.4, 0.1")
    )
    runs = tmp_path / "runs"
    refused = run(hopeless, runs, "refused")
    assert refused.returncode == 2
    assert "M6 (trained is told from worse)" in refused.stderr
    assert json.loads((runs / "refused" / "unsuitable.json").read_text())["reason"] in refused.stderr
    forced = run(hopeless, runs, "forced", "--force")
    assert forced.returncode == 0, forced.stderr
    assert json.loads((runs / "forced" / "run.json").read_text())["force"] is True
    report = (runs / "forced" / "report.md").read_text()
    assert "UNSUITABLE, and run all the same by --force: M6" in report


@pytest.mark.slow
def test_an_interrupted_assessment_leaves_no_process_and_goes_on(tmp_path: Path) -> None:
    asked = [SZILARD, "env", "assess", str(FOLDER / "never_imported.py"), "--runs-dir", str(tmp_path)]
    process = subprocess.Popen(asked, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if "seed 1: " in line:
            break
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Go on with: szilard env assess" in said
    time.sleep(0.2)
    left = [p for p in Path("/proc").glob("[0-9]*/cmdline") if str(tmp_path).encode() in _read(p)]
    assert not left
    measured = len(list(tmp_path.glob("assessments/*/*/measurements/*.json")))
    again = call(*asked[1:], "--json")
    assert json.loads(again.stdout)["assessment"]["deciding"] == "A3"
    assert measured >= 1


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
