"""A short run from goal to summary, and what a person finds afterwards."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.end_to_end.a_short_run import SZILARD, finish, git, launches, resume_command, run_command, story

pytestmark = pytest.mark.slow
KILLS = int(os.environ.get("SZILARD_KILLS", "6"))
KILLS_A_RUN = 3


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def undisturbed(runs: Path) -> Path:
    finish(run_command(runs, "undisturbed"))
    return runs / "undisturbed"


def test_a_run_ends_with_a_ledger_that_plain_git_can_read(undisturbed: Path) -> None:
    log = git(undisturbed, "log", "--graph", "--all", "--oneline", "--decorate")
    for number in (1, 2, 3):
        assert f"attempts/{number:04d}" in log
        verdict = git(
            undisturbed, "log", "-1", "--format=%(trailers:key=Verdict,valueonly)", f"attempts/{number:04d}"
        )
        assert verdict.strip() in {"kept", "reverted", "inconclusive"}
    assert "tag: baseline" in log
    assert git(undisturbed, "status", "--porcelain") == ""


def test_a_run_leaves_no_secret_and_no_process(undisturbed: Path) -> None:
    secret = json.loads((undisturbed / "run.json").read_text())["secret"]
    for path in undisturbed.rglob("*"):
        if path.is_file() and path.name != "run.json" and ".git" not in path.parts:
            assert secret.encode() not in path.read_bytes(), path
    assert (
        str(undisturbed) not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    )


def test_every_training_is_done_once(undisturbed: Path) -> None:
    assert set(launches(undisturbed).values()) == {1}


def test_review_verbs_read_a_finished_run(undisturbed: Path) -> None:
    for verb in (["status"], ["log"], ["show", "1"], ["diff", "1"]):
        command = [SZILARD, verb[0], str(undisturbed), *verb[1:], "--json"]
        answer = subprocess.run(command, capture_output=True, text=True)
        assert answer.returncode == 0, answer.stderr
        json.loads(answer.stdout)


def test_resuming_a_finished_run_trains_nothing(undisturbed: Path) -> None:
    before = launches(undisturbed)
    finish(resume_command(undisturbed))
    assert launches(undisturbed) == before


def test_replay_reproduces_a_score_bit_by_bit(undisturbed: Path) -> None:
    command = [SZILARD, "replay", str(undisturbed), "1", "--json"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert answer.returncode == 0, answer.stderr
    result = json.loads(answer.stdout.splitlines()[-1])
    assert result["identical"] is True
    assert result["difference"] == 0.0


def test_another_seed_gives_other_attempts(undisturbed: Path, runs: Path) -> None:
    finish([*run_command(runs, "another-seed", attempts=1), "--seed", "1"])
    first, other = (
        git(run, "show", "--stat", "attempts/0001~1") for run in (undisturbed, runs / "another-seed")
    )
    assert first != other


def test_two_workers_lose_and_double_nothing_and_do_the_same_again(runs: Path) -> None:
    stories = []
    for name in ("two-workers", "two-workers-again"):
        finish(run_command(runs, name, attempts=6, workers=2))
        run = runs / name
        branches = git(run, "for-each-ref", "--format=%(refname:short)", "refs/heads/attempts").split()
        assert branches == [f"attempts/{number:04d}" for number in range(1, 7)]
        assert set(launches(run).values()) == {1}
        stories.append(story(run))
    assert stories[0] == stories[1]


@pytest.mark.parametrize("index", range(KILLS // KILLS_A_RUN))
def test_killed_run_resumes_without_losing_or_doubling_an_attempt(
    index: int, undisturbed: Path, runs: Path
) -> None:
    rng = random.Random(f"kills {index} {os.environ.get('SZILARD_KILL_SEED', '')}")
    name = f"killed-{index}"
    command, kills = run_command(runs, name), 0
    while kills < KILLS_A_RUN:
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        try:
            process.wait(timeout=rng.uniform(0.5, 22.0))
            assert process.returncode == 0, process.stderr.read() if process.stderr else ""
            break
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
        if (runs / name / "run.json").exists():
            command = resume_command(runs / name)
    finish(command)
    agreed = subprocess.run([SZILARD, "fsck", str(runs / name)], capture_output=True, text=True)
    assert agreed.returncode == 0, agreed.stdout
    assert story(runs / name) == story(undisturbed)
    counted = launches(runs / name)
    assert counted.keys() == launches(undisturbed).keys()
    assert sum(counted.values()) - len(counted) <= kills


def test_interrupted_run_says_how_to_go_on_and_does(runs: Path) -> None:
    process = subprocess.Popen(
        run_command(runs, "interrupted"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    time.sleep(8)
    os.killpg(process.pid, signal.SIGINT)
    output, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "szilard resume" in output + errors
    finish(resume_command(runs / "interrupted"))
