"""`szilard env check` and `szilard run` say the same of a broken adapter; trainings run in a sandbox."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import agent.cli
from agent.training_check import training_findings
from tests.environments.an_adapter import GOOD, line_with, written

SZILARD = str(Path(sys.executable).parent / "szilard")


def said_by(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        agent.cli.main(arguments)
    assert ended.value.code == 2
    return capsys.readouterr().err.strip()


def test_check_and_run_refuse_a_raising_reward_with_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, ("result = check(numbers, completion)", "result = int(completion)"))
    checked = said_by(capsys, "env", "check", str(path))
    ran = said_by(capsys, "run", "A goal", "--environment", str(path), "--runs-dir", str(tmp_path / "runs"))
    for sentence in (checked, ran):
        assert line_with(path, "int(completion)") in sentence
        assert "raised ValueError" in sentence
        assert "A policy writes anything: return 0.0" in sentence
        assert "\n" not in sentence
    assert not (tmp_path / "runs").exists()


def test_check_answers_in_json_with_the_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.py"
    path.write_text("1 / 0\n")
    with pytest.raises(SystemExit):
        agent.cli.main(["env", "check", str(path), "--json"])
    (finding,) = json.loads(capsys.readouterr().out)
    assert finding["outcome"] == "failed"
    assert f"{path}:1: ZeroDivisionError" in finding["said"]


def test_without_a_sandbox_protected_files_are_within_reach(tmp_path: Path) -> None:
    findings = training_findings(str(written(tmp_path)), sandbox="none")
    first = next(findings)
    findings.close()
    assert (first.check, first.outcome) == ("protected files are out of reach", "failed")
    assert "session.py" in first.said


@pytest.mark.slow
def test_an_installed_environment_trains_in_the_sandbox(tmp_path: Path) -> None:
    """Its package lies in a site-packages that every sandbox shows."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "szilard_tens_test.py").write_text(GOOD)
    (package / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "szilard-tens-test"\nversion = "1.0"\n'
        '[project.entry-points."szilard.environments"]\ntens-test = "szilard_tens_test:Mine"\n'
        '[tool.hatch.build.targets.wheel]\ninclude = ["szilard_tens_test.py"]\n'
    )
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    install = [*pip, "install", "--quiet", "--no-deps", "--no-build-isolation", str(package)]
    subprocess.run(install, check=True, capture_output=True)
    try:
        done = subprocess.run(
            [SZILARD, "env", "check", "tens-test", "--json"], capture_output=True, text=True
        )
        found = {one["check"]: one for one in json.loads(done.stdout)}
        assert found["the sandbox shows its code"]["outcome"] == "passed"
        assert found["the baseline trains"]["outcome"] == "passed", done.stderr
        assert found["the baseline learns"]["outcome"] == "passed"
        assert found["a training repeats under its seed"]["outcome"] == "passed"
        assert found["protected files are out of reach"]["outcome"] == "passed"
    finally:
        subprocess.run([*pip, "uninstall", "--quiet", "--yes", "szilard-tens-test"], check=True)
