"""A training is watched through files that it writes as it likes."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from agent.watch import SNAPSHOT_FILES, Watch, Watcher
from environments.base import InvalidPolicy, Metric, Score

HOPELESS = "no gain in sight"
MOST = 100


def leave_snapshot(folder: Path, updates: int, text: str) -> None:
    part = folder / "out" / f"snapshot-{updates}.part"
    part.mkdir(parents=True)
    for name in SNAPSHOT_FILES:
        (part / name).write_text(text)
    part.rename(folder / "out" / f"snapshot-{updates}")


def score(updates: int, policy: Path) -> Score:
    return Score("S", {"S": Metric(float((policy / SNAPSHOT_FILES[1]).read_text()))})


def below_nil(updates: int, found: Score) -> str | None:
    return HOPELESS if found.value < 0 else None


def test_a_hopeless_training_is_stopped_while_it_runs(tmp_path: Path) -> None:
    stopped = threading.Event()
    watcher = Watcher(Watch((60, 120), below_nil), tmp_path, MOST, score, stopped.set)
    leave_snapshot(tmp_path, 60, "0.1")
    assert not stopped.wait(0.5)
    leave_snapshot(tmp_path, 120, "-0.1")
    assert stopped.wait(10)
    assert watcher.end() == HOPELESS


def test_one_that_was_faster_than_its_judge_is_judged_all_the_same(tmp_path: Path) -> None:
    leave_snapshot(tmp_path, 60, "0.1")
    leave_snapshot(tmp_path, 120, "-0.1")
    watcher = Watcher(Watch((60, 120), below_nil), tmp_path, MOST, score, lambda: None)
    assert watcher.end() == HOPELESS


def test_one_without_snapshots_ends_unjudged(tmp_path: Path) -> None:
    assert Watcher(Watch((60,), below_nil), tmp_path, MOST, score, lambda: None).end() is None


def test_one_that_was_cancelled_is_not_judged(tmp_path: Path) -> None:
    started, go_on = threading.Event(), threading.Event()

    def slow(updates: int, policy: Path) -> Score:
        started.set()
        go_on.wait(10)
        raise RuntimeError("the scorer was closed")

    leave_snapshot(tmp_path, 60, "-0.1")
    watcher = Watcher(Watch((60,), below_nil), tmp_path, MOST, slow, lambda: None)
    assert started.wait(10)
    go_on.set()
    assert watcher.end(abandon=True) is None


def test_what_is_no_policy_says_nothing(tmp_path: Path) -> None:
    def refuse(updates: int, policy: Path) -> Score:
        raise InvalidPolicy("NaN")

    leave_snapshot(tmp_path, 60, "nan")
    assert Watcher(Watch((60,), below_nil), tmp_path, MOST, refuse, lambda: None).end() is None


@pytest.mark.parametrize("trick", ["link to a folder", "link to a file", "pipe", "larger than a policy"])
def test_a_training_cannot_make_the_watch_read_what_is_not_its_own(tmp_path: Path, trick: str) -> None:
    secret = tmp_path / "secret"
    leave_snapshot(secret, 60, "-0.1")
    left = tmp_path / "out" / "snapshot-60"
    if trick == "link to a folder":
        left.parent.mkdir()
        left.symlink_to(secret / "out" / "snapshot-60")
    else:
        left.mkdir(parents=True)
        (left / SNAPSHOT_FILES[0]).write_text("{}")
        if trick == "pipe":
            os.mkfifo(left / SNAPSHOT_FILES[1])
        elif trick == "larger than a policy":
            (left / SNAPSHOT_FILES[1]).write_text("-0.1" + "0" * MOST)
        else:
            (left / SNAPSHOT_FILES[1]).symlink_to(secret / "out" / "snapshot-60" / SNAPSHOT_FILES[1])
    assert Watcher(Watch((60,), below_nil), tmp_path, MOST, score, lambda: None).end() is None


def test_a_scorer_that_fails_is_told_to_who_waits(tmp_path: Path) -> None:
    def fail(updates: int, policy: Path) -> Score:
        raise RuntimeError("the evaluator died")

    leave_snapshot(tmp_path, 60, "0.1")
    watcher = Watcher(Watch((60,), below_nil), tmp_path, MOST, fail, lambda: None)
    with pytest.raises(RuntimeError, match="died"):
        watcher.end()


def test_a_snapshot_that_cannot_be_looked_at_is_none(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "snapshot-60").symlink_to("a" * 300)
    assert Watcher(Watch((60,), below_nil), tmp_path, MOST, score, lambda: None).end() is None
