"""A run has one owner at a time; a second one is told who holds it. A disk that takes nothing is named."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
from collections import namedtuple
from pathlib import Path

import pytest

from agent import ownership
from agent.ownership import LOCK_FILE, CannotWrite, HeldElsewhere, owned
from agent.run import RunExists, start
from agent.settings import KEY_FILE
from environments.base import SzilardError
from tests.agent.a_laboratory import settings

Usage = namedtuple("Usage", "total used free")
HOLD = """
import sys
from pathlib import Path
from agent.ownership import owned
with owned(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_second_owner_is_told_process_host_time_and_command(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        holder.stdout.readline()
        with pytest.raises(HeldElsewhere) as refused, owned(tmp_path):
            pass
        holder.stdin.close()
    told = str(refused.value)
    assert f"process {holder.pid} on {socket.gethostname()} since 20" in told
    assert str(tmp_path) in told.partition("(`")[2]
    assert f"kill {holder.pid}" in told
    with owned(tmp_path):
        pass


@pytest.mark.parametrize("left", ["", "4242", "{", "[1]", '{"process": 7}'])
def test_a_lock_that_says_nothing_is_a_lock_all_the_same(left: str, tmp_path: Path) -> None:
    with (tmp_path / LOCK_FILE).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(left)
        lock.flush()
        with pytest.raises(HeldElsewhere, match=left or "unknown" if left.isalnum() else "another process"):
            owned(tmp_path).__enter__()


def test_who_only_reviews_a_run_is_not_taken_for_its_owner(tmp_path: Path) -> None:
    lock = (tmp_path / LOCK_FILE).open("a+")
    fcntl.flock(lock, fcntl.LOCK_SH)
    threading.Timer(0.1, lock.close).start()
    with owned(tmp_path):
        pass


def test_what_a_killed_owner_left_half_written_is_swept(tmp_path: Path) -> None:
    half_written = ("clock.json.139871.tmp", "attempts/0001/diagnosis.json.7.tmp")
    for name in half_written:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{")
    with owned(tmp_path):
        assert not any((tmp_path / name).exists() for name in half_written)


def test_a_start_that_was_killed_leaves_its_secret_no_longer_than_to_the_next_start(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    for name in (f".a-run.{ended.pid}", f".a-run.{os.getppid()}", "a-run"):
        (tmp_path / name).mkdir()
        settings("countdown").model_copy(update={"secret": "s3cret"}).write(tmp_path / name)
    with pytest.raises(RunExists):
        start(settings("countdown").model_copy(update={"name": "a-run"}), tmp_path, lambda event: None)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [f".a-run.{os.getppid()}", KEY_FILE, "a-run"]
    )


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "full"),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), "full"),
        (OSError(errno.EROFS, os.strerror(errno.EROFS), "a/file"), "read-only"),
    ],
)
def test_a_disk_that_takes_nothing_is_named_with_the_way_on(
    error: OSError, state: str, tmp_path: Path
) -> None:
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(CannotWrite) as stopped, owned(tmp_path):
        raise error
    assert f"its disk is {state}" in str(stopped.value)
    assert f"szilard resume {tmp_path}" in str(stopped.value)


def test_git_and_databases_that_could_not_write_mean_a_full_disk_where_it_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10, 10, 0))
    for error in (SzilardError("`git fast-import` failed"), sqlite3.OperationalError("disk I/O error")):
        with pytest.raises(CannotWrite, match="its disk is full"), owned(tmp_path):
            raise error


def test_any_other_error_is_left_as_it_is(tmp_path: Path) -> None:
    assert shutil.disk_usage(tmp_path).free > ownership.LEAST_FREE_BYTES
    with pytest.raises(SzilardError, match="of another kind") as kept, owned(tmp_path):
        raise SzilardError("of another kind")
    assert not isinstance(kept.value, CannotWrite)
