"""What goes wrong around a run, for real: signals, disks, clocks, files. Nothing is lost, the way on told."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from agent import fsck
from tests.end_to_end.a_short_run import SZILARD, finish, git, resume_command, story, trailer
from tests.end_to_end.test_bad_input import begin, fill, mounted, wait_for

pytestmark = pytest.mark.slow
ENVIRONMENT = Path(__file__).parent / "instant_domain.py"
GREEDY = """
if float(found.group(1)) > 3e-4:
    with open(root + "/out/greedy", "wb", buffering=0) as greedy:
        while True:
            greedy.write(bytes(2**16))
"""


def command(run: Path, metric: str = "luck", environment: Path = ENVIRONMENT) -> list[str]:
    return [
        *(SZILARD, "run", "Solve more", "--environment", str(environment), "--runs-dir", str(run.parent)),
        *("--name", run.name, "--metric", metric, "--attempts", "3", "--seeds", "2", "--workers", "1"),
        *("--sandbox", "none", "--json"),
    ]


def agrees(run: Path) -> bool:
    return all(finding.holds for finding in fsck.check(run))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "undisturbed"
    finish(command(run))
    return run


def killed(run: Path, phase: str, attempt: int) -> Path:
    """A run whose coordinator was killed while an attempt was in a phase."""
    process = begin(command(run))
    wait_for(process, phase, attempt)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return run


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """What is opened below a folder from now on can be read only, as after a fault of its disk."""
    for arguments in (["--bind", folder, folder], ["-o", "remount,bind,ro", folder]):
        done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_a_run_cleanly_and_it_goes_on(
    number: signal.Signals, undisturbed: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    process = begin(command(run))
    wait_for(process, "train", 2)
    os.killpg(process.pid, number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"szilard resume {run}" in errors
    finish(resume_command(run))
    assert agrees(run)
    assert story(run) == story(undisturbed)


def test_a_training_that_fills_the_disk_is_void_after_one_more_try_and_the_run_goes_on(
    tmp_path: Path,
) -> None:
    code = ENVIRONMENT.read_text()
    writes = 'os.mkdir(root + "/out/policy")\n'
    assert writes in code
    (tmp_path / "greedy.py").write_text(code.replace(writes, writes + GREEDY))
    with mounted(tmp_path / "small", "size=48m") as folder:
        run = folder / "run"
        summary = finish(command(run, "solved", tmp_path / "greedy.py"))
        verdicts = summary["verdicts"]
        assert isinstance(verdicts, dict)
        assert sum(verdicts.values()) == 3
        assert verdicts["void"] >= 1
        void = [number for number in (1, 2, 3) if trailer(run, number, "Verdict") == "void"]
        assert all(trailer(run, number, "Reason").startswith("Ran out of disk") for number in void)
        folders = [json.loads(line)["folder"] for line in (run / "trainings.jsonl").read_text().splitlines()]
        assert all(folders.count(f"{number:04d}") == 2 for number in void)
        assert agrees(run)


def test_a_coordinator_without_disk_stops_names_the_run_and_loses_nothing(
    undisturbed: Path, tmp_path: Path
) -> None:
    with mounted(tmp_path / "small", "size=48m") as folder:
        run = folder / "run"
        process = begin(command(run))
        wait_for(process, "train", 2)
        fill(folder)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 2, errors
        assert "Traceback" not in errors
        assert str(run) in errors
        assert "full" in errors
        assert "resume" in errors
        stuck = subprocess.run(resume_command(run), capture_output=True, text=True)
        assert stuck.returncode == 2
        assert "is full" in stuck.stderr
        assert f"szilard resume {run}" in stuck.stderr
        (folder / "filler").unlink()
        finish(resume_command(run))
        assert agrees(run)
        assert story(run) == story(undisturbed)


def test_a_disk_that_becomes_read_only_stops_a_run_that_goes_on_once_it_is_writable(
    undisturbed: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    process = begin(command(run))
    wait_for(process, "train", 2)
    with read_only(run):
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 2, errors
        assert "Traceback" not in errors
        assert "read-only" in errors.lower()
        stuck = subprocess.run(resume_command(run), capture_output=True, text=True)
        assert stuck.returncode == 2
        assert "its disk is read-only" in stuck.stderr
        for verb in ("status", "log", "fsck"):
            looked = subprocess.run([SZILARD, verb, str(run)], capture_output=True, text=True)
            assert looked.returncode == 0, looked.stdout + looked.stderr
    finish(resume_command(run))
    assert agrees(run)
    assert story(run) == story(undisturbed)


def test_a_clock_that_goes_backwards_changes_nothing(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = tmp_path / "back"
    back.mkdir()
    hook = "import itertools, time\nhours = itertools.count(480_000, -1)\n"
    hook += "time.time = lambda: 3600.0 * next(hours)\n"
    (back / "sitecustomize.py").write_text(hook)
    monkeypatch.setenv("PYTHONPATH", str(back))
    run = tmp_path / "run"
    finish(command(run))
    finish(resume_command(run))
    monkeypatch.undo()
    stamps = git(run, "log", "--format=%ct", "attempts/0003").split()
    assert stamps != sorted(stamps, reverse=True)
    assert agrees(run)
    assert story(run) == story(undisturbed)
    assert json.loads((run / "clock.json").read_text())["seconds"] > 0


def its_head_is_gone(path: Path) -> None:
    path.write_bytes(b"not a database" * 100)


def it_is_cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def its_pages_are_garbage(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:4096] + bytes(range(256)) * ((len(content) - 4096) // 256))


def it_is_gone(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("damage", [its_head_is_gone, it_is_cut_off, its_pages_are_garbage, it_is_gone])
def test_a_damaged_index_is_rebuilt_from_the_ledger(
    damage: Callable[[Path], None], undisturbed: Path, tmp_path: Path
) -> None:
    run = killed(tmp_path / "run", "score", 2)
    index = run / "checkpoints.sqlite"
    with closing(sqlite3.connect(index)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    damage(index)
    done = subprocess.run(resume_command(run), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    if damage is not it_is_gone:
        assert "rebuilt from the ledger" in done.stdout
    assert agrees(run)
    assert story(run) == story(undisturbed)


def test_two_processes_on_a_run_the_second_is_told_who_holds_it(tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = begin(command(run))
    wait_for(process, "train", 1)
    began = time.monotonic()
    second = subprocess.run(resume_command(run), capture_output=True, text=True)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert time.monotonic() - began < 60
    assert second.returncode == 2
    assert f"process {process.pid} on {os.uname().nodename} since 20" in second.stderr
    assert "szilard run" in second.stderr
