"""Kills, locks, full disks, hands and other people's git leave the ledger whole."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from tests.workspaces.ledger.a_ledger import code, make, plain_git
from workspaces.ledger import Ledger, LedgerError


def test_a_person_looking_at_an_attempt_is_not_disturbed(ledger: Ledger) -> None:
    commit = code(ledger, 1, "STEPS = 1\n")
    plain_git(ledger, "checkout", "--quiet", "attempts/0001")
    ledger.set_incumbent(code(ledger, 2, "STEPS = 2\n"))
    assert plain_git(ledger, "rev-parse", "attempts/0001").strip() == commit
    assert (ledger.path / "recipe.py").read_text() == "STEPS = 1\n"
    assert plain_git(ledger, "rev-parse", "main").strip() == ledger.incumbent()


def test_stale_locks_of_a_killed_process_do_not_matter(ledger: Ledger) -> None:
    old = time.time() - 60
    for name in ("index.lock", "refs/heads/main.lock", "refs/heads/attempts/0001.lock"):
        lock = ledger.path / ".git" / name
        lock.parent.mkdir(exist_ok=True)
        lock.touch()
        os.utime(lock, (old, old))
    commit = code(ledger, 1, "STEPS = 1\n")
    ledger.set_incumbent(commit)
    assert ledger.incumbent() == commit
    assert (ledger.path / "recipe.py").read_text() == "STEPS = 1\n"
    assert not list((ledger.path / ".git").glob("**/*.lock"))


@pytest.mark.timeout(120)
def test_a_kill_at_any_moment_leaves_whole_attempts(tmp_path: Path) -> None:
    writer = textwrap.dedent(
        f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parents[3])!r})
        from pathlib import Path
        from workspaces.ledger import Ledger
        root = Path({str(tmp_path)!r})
        (root / "t.py").write_text("STEPS = 100")
        ledger = Ledger.create(root / "repository", {{"recipe.py": root / "t.py"}}, message="Baseline")
        parent = ledger.incumbent()
        for number in range(1, 20):
            ledger.commit_code(number, parent, number - 1, {{"recipe.py": f"STEPS = {{number}}"}},
                hypothesis=f"Steps {{number}}", mechanism="m", researcher="r",
                predicted_score_change=0.0, predicted_entropy=0.0)
            parent = ledger.commit_result(number, verdict="kept", reason="r", trailers={{}})
            ledger.store_evidence({{f"{{number}}.json": b"1"}}, "evidence")
            ledger.set_incumbent(parent)
        """
    )
    for round_ in range(5):
        process = subprocess.Popen([sys.executable, "-c", writer], start_new_session=True)
        time.sleep(0.25 + 0.11 * round_)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert subprocess.run([sys.executable, "-c", writer], check=False).returncode == 0
    ledger = Ledger.open(tmp_path / "repository")
    attempts = ledger.attempts()
    assert [found.number for found in attempts] == list(range(1, 20))
    assert all(found.verdict == "kept" for found in attempts)
    assert ledger.incumbent() == attempts[-1].result_commit
    assert int(plain_git(ledger, "rev-list", "--count", "main")) == 1 + 2 * 19
    assert len(ledger.evidence()) == 19
    assert plain_git(ledger, "status", "--porcelain") == ""


def test_threads_lose_no_attempt(ledger: Ledger) -> None:
    def work(number: int) -> None:
        code(ledger, number, f"STEPS = {number}\n")
        ledger.commit_result(number, verdict="reverted", reason="r", trailers={})
        ledger.store_evidence({f"{number}": b"x"}, "evidence")

    threads = [threading.Thread(target=work, args=(1 + number % 8,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found.number for found in ledger.attempts()] == list(range(1, 9))
    assert len(ledger.evidence()) == 8


def test_another_repository_s_environment_is_not_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    subprocess.run(["git", "init", "--quiet", str(other)], check=True)
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(other / ".git" / "objects"))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "false")
    before = sorted(path for path in other.rglob("*"))
    ledger = make(tmp_path / "run")
    ledger.set_incumbent(code(ledger, 1, "STEPS = 1\n"))
    assert "STEPS = 1" in ledger.diff("baseline", "main")
    assert sorted(path for path in other.rglob("*")) == before


def test_a_person_s_git_configuration_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for hook in ("reference-transaction", "post-checkout"):
        (hooks / hook).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\nexit 1\n")
        (hooks / hook).chmod(0o755)
    (tmp_path / ".gitconfig").write_text(
        f"[core]\nhooksPath = {hooks}\nautocrlf = true\n[tag]\ngpgSign = true\n[commit]\ngpgSign = true\n"
        "[diff]\nnoprefix = true\n[color]\nui = always\n[init]\ndefaultBranch = trunk\n"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    ledger = make(tmp_path / "run")
    commit = code(ledger, 1, "STEPS = 1\n")
    ledger.tag("confirmed", commit, "Confirmed")
    ledger.set_incumbent(commit)
    assert "--- a/recipe.py" in ledger.diff("baseline", "main")
    assert (ledger.path / "recipe.py").read_bytes() == b"STEPS = 1\n"
    assert not (tmp_path / "ran").exists()


def test_what_is_no_ledger_is_refused_and_left_alone(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="not a ledger"):
        Ledger.open(tmp_path / "nowhere")
    mine = tmp_path / "mine"
    subprocess.run(["git", "init", "--quiet", str(mine)], check=True)
    identity = ["-c", "user.name=A", "-c", "user.email=a@b"]
    command = ["git", "-C", str(mine), *identity, "commit", "--quiet", "--allow-empty", "-m", "Mine"]
    subprocess.run(command, check=True)
    subprocess.run(["git", "-C", str(mine), "tag", "baseline"], check=True)
    before = (mine / ".git" / "config").read_text()
    with pytest.raises(LedgerError, match="not a ledger"):
        Ledger.open(mine)
    with pytest.raises(LedgerError, match="choose another directory"):
        Ledger.create(mine, {}, message="Baseline")
    assert (mine / ".git" / "config").read_text() == before


def test_a_branch_that_was_changed_by_hand_is_named(ledger: Ledger) -> None:
    plain_git(ledger, "branch", "attempts/0009", "baseline")
    for read in (ledger.attempts, lambda: ledger.attempt(9)):
        with pytest.raises(LedgerError, match="attempts/0009 does not end in a commit of attempt 9"):
            read()


def test_a_baseline_tag_that_somebody_removed_costs_no_winner(ledger: Ledger) -> None:
    winner = code(ledger, 1, "STEPS = 200\n")
    ledger.set_incumbent(winner)
    first = plain_git(ledger, "rev-parse", "baseline^{commit}").strip()
    plain_git(ledger, "tag", "-d", "baseline")
    with pytest.raises(LedgerError, match="no tag `baseline`") as refusal:
        Ledger.create(ledger.path, {}, message="Baseline")
    assert plain_git(ledger, "rev-parse", "main").strip() == winner
    assert f"tag baseline {first[:12]}" in str(refusal.value)


def test_missing_git_is_said_plainly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shutil.which("git") is None
    with pytest.raises(LedgerError, match="git was not found on PATH: install it"):
        make(tmp_path / "run")


FULL_DISK = """
import random
from pathlib import Path
from tests.workspaces.ledger.a_ledger import code, make
from workspaces.ledger import LedgerError

disk = Path({disk!r})
ledger = make(disk)
first = code(ledger, 1, "STEPS = 1")
try:
    with (disk / "filler").open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(512))
except OSError:
    pass
for refused in (
    lambda: code(ledger, 2, random.randbytes(30000).hex()),
    lambda: ledger.commit_result(1, verdict="kept", reason="r", trailers={{}}),
):
    try:
        refused()
    except LedgerError as error:
        print(error)
(disk / "filler").unlink()
ledger.set_incumbent(ledger.commit_result(1, verdict="kept", reason="r", trailers={{}}))
print([found.number for found in ledger.attempts()], ledger.parent_of(ledger.incumbent()) == first)
"""


def test_a_full_disk_is_named_and_loses_nothing(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    mounted = f"mount -t tmpfs -o size=400k tmpfs {disk} && exec "
    if shutil.which("unshare") is None or subprocess.run([*mount, mounted + "true"], check=False).returncode:
        pytest.skip("this machine lets no ordinary user mount a small disk")
    script = tmp_path / "script.py"
    script.write_text(FULL_DISK.format(disk=str(disk)))
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [*mount, f"{mounted}{sys.executable} {script}"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    assert all("failed in" in line and "Make room on the disk" in line for line in lines[:2])
    assert lines[2] == "[1] True"
