"""`szilard clean` frees what it says, and a run that was cleaned does whatever it did before."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.a_short_run import SZILARD, finish, git, launches, resume_command, run_command, story

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("runs")
    finish(run_command(runs, "ended", attempts=2))
    return runs / "ended"


def szilard(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SZILARD, *arguments], capture_output=True, text=True, timeout=300)


def clean(run: Path, *options: str) -> dict[str, Any]:
    done = szilard("clean", str(run), "--json", *options)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer | {"kinds": {one["kind"]: (one["files"], one["bytes"]) for one in answer["freed"]}}


def on_disk(run: Path) -> dict[Path, int]:
    """Sizes by path, of all but the lock, which names a process."""
    return {path: path.stat().st_size for path in run.rglob("*") if path.is_file() and path.name != "lock"}


def test_a_run_that_is_worked_on_is_left_alone(ended: Path) -> None:
    before = on_disk(ended)
    with (ended / "lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused = szilard("clean", str(ended))
    assert refused.returncode == 2
    assert "is being worked on by process" in refused.stderr
    assert on_disk(ended) == before


def test_a_dry_run_foretells_and_deletes_nothing(ended: Path) -> None:
    before = on_disk(ended)
    told = clean(ended, "--dry-run", "--logs")
    assert before.keys() - on_disk(ended).keys() == set()
    assert told["kinds"]["git objects"] == (None, None)
    policies = [path for path in before if {"policy", "snapshot-5", "snapshot-10"} & {*path.parts}]
    assert told["kinds"]["policies"] == (len(policies), sum(before[path] for path in policies))
    assert len(policies) > 10


def test_what_was_freed_is_what_is_gone_and_everything_still_works(ended: Path) -> None:
    before, was = on_disk(ended), story(ended)
    shown = szilard("show", str(ended), "1").stdout
    told = clean(ended, "--logs")
    after = on_disk(ended)
    assert told["files"] == len(before) - len(after)
    assert told["bytes"] == sum(before.values()) - sum(after.values())
    assert told["bytes"] > 0.7 * sum(before.values())
    assert clean(ended, "--logs")["bytes"] == 0
    assert szilard("fsck", str(ended)).returncode == 0
    assert szilard("show", str(ended), "1").stdout == shown
    assert szilard("replay", str(ended), "1").returncode == 0
    trained = launches(ended)
    finish(resume_command(ended))
    assert launches(ended) == trained
    assert story(ended) == was


def test_a_replay_leaves_a_policy_that_is_cleaned_away(ended: Path) -> None:
    assert szilard("replay", str(ended), "2").returncode == 0
    assert clean(ended)["kinds"]["policies"][0] > 0
    assert clean(ended)["kinds"]["policies"] == (0, 0)


def test_a_run_with_a_fault_is_not_cleaned(ended: Path) -> None:
    tip = git(ended, "rev-parse", "attempts/0001").strip()
    git(ended, "update-ref", "refs/heads/main", tip)
    try:
        refused = szilard("clean", str(ended))
    finally:
        git(ended, "update-ref", "refs/heads/main", "baseline^{commit}")
    assert refused.returncode == 2
    assert "(main)" in refused.stderr
    assert "szilard fsck" in refused.stderr


def test_a_killed_run_that_was_cleaned_goes_on_as_if_nothing_had_been(ended: Path) -> None:
    run = ended.parent / "killed"
    process = subprocess.Popen(
        run_command(ended.parent, "killed", attempts=2), stdout=subprocess.DEVNULL, start_new_session=True
    )
    first = run / "attempts" / "0001" / "selection-0" / "trained.json"
    while not first.exists():
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = launches(run)
    assert clean(run, "--logs")["kinds"]["policies"][0] > 0
    assert szilard("fsck", str(run)).returncode == 0
    finish(resume_command(run))
    assert story(run) == story(ended)
    assert all(count == 1 for key, count in launches(run).items() if key in before)
    assert sum(launches(run).values()) == len(launches(run))
