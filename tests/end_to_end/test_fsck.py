"""`szilard fsck` finds what was changed behind a run's back, and what it says to type mends it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.a_short_run import SZILARD, finish, git, run_command
from workspaces.attempt_index import INDEX_FILE

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("runs")
    finish(run_command(runs, "whole"))
    return runs / "whole"


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole, tmp_path / "run")


def fsck(run: Path) -> tuple[int, dict[str, dict[str, object]]]:
    """The exit code, and the findings by name."""
    done = subprocess.run([SZILARD, "fsck", str(run), "--json"], capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    return done.returncode, {finding["name"]: finding for finding in json.loads(done.stdout)}


def wrong(run: Path) -> list[str]:
    status, findings = fsck(run)
    failed = [name for name, finding in findings.items() if not finding["holds"]]
    assert (status == 1) is bool(failed)
    return failed


def evidence(run: Path, number: int) -> Path:
    """The file of a measurement that the verdict on an attempt rests on."""
    key = git(run, "log", "-1", "--format=%(trailers:key=Evidence,valueonly)", f"attempts/{number:04d}")
    return run / "measurements" / f"{key.split(',')[0].strip()}.json"


def a_measurement_is_gone(run: Path) -> None:
    evidence(run, 1).unlink()


def a_score_was_raised(run: Path) -> None:
    path = evidence(run, 1)
    record = json.loads(path.read_text())
    record["score"]["metrics"]["pass_at_1"]["value"] = 0.99
    path.write_text(json.dumps(record))


def a_verdict_was_rewritten(run: Path) -> None:
    message = git(run, "log", "-1", "--format=%B", "attempts/0001")
    better = "\n".join("Score: 0.99" if line.startswith("Score: ") else line for line in message.splitlines())
    tree, parent = git(run, "log", "-1", "--format=%T %P", "attempts/0001").split()
    commit = git(run, *WHO, "commit-tree", tree, "-p", parent, "-m", better).strip()
    git(run, "update-ref", "refs/heads/attempts/0001", commit)


def other_code_was_put_under_a_verdict(run: Path) -> None:
    message = git(run, "log", "-1", "--format=%B", "attempts/0001")
    parent = git(run, "log", "-1", "--format=%P", "attempts/0001").strip()
    empty = git(run, "mktree").strip()
    commit = git(run, *WHO, "commit-tree", empty, "-p", parent, "-m", message).strip()
    git(run, "update-ref", "refs/heads/attempts/0001", commit)


def main_was_moved(run: Path) -> None:
    git(run, "update-ref", "refs/heads/main", git(run, "rev-parse", "attempts/0001").strip())


def an_object_is_damaged(run: Path) -> None:
    for path in (run / "repository" / ".git" / "objects").glob("[0-9a-f][0-9a-f]/*"):
        path.chmod(0o644)
        path.write_bytes(b"damaged")


def the_index_is_damaged(run: Path) -> None:
    (run / "checkpoints.sqlite").write_bytes(b"SQLite format 3\0 but not for long")


def the_listing_was_changed(run: Path) -> None:
    path = run / "repository" / ".git" / INDEX_FILE
    path.write_text(path.read_text().replace('"Score":"0.', '"Score":"9.'))


def the_confirmation_is_cut_off(run: Path) -> None:
    path = run / "confirmation.json"
    path.write_text(path.read_text()[:40])


WHO = ("-c", "user.name=Somebody", "-c", "user.email=somebody@localhost")


def test_a_whole_run_agrees_with_itself(whole: Path) -> None:
    assert wrong(whole) == []


def test_a_run_does_not_go_on_from_a_ledger_that_was_changed_by_hand(run: Path) -> None:
    main_was_moved(run)
    done = subprocess.run([SZILARD, "resume", str(run)], capture_output=True, text=True)
    assert done.returncode not in (0, 1)
    assert "was changed by hand: main is" in done.stderr
    assert "Traceback" not in done.stderr
    mended = re.search(r"Mend it: (git .*?);", done.stderr)
    assert mended is not None
    subprocess.run(mended.group(1), shell=True, check=True)
    assert subprocess.run([SZILARD, "resume", str(run)], capture_output=True).returncode == 0


def test_a_run_may_be_named_from_where_one_stands(whole: Path) -> None:
    done = subprocess.run([SZILARD, "fsck", whole.name], cwd=whole.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (a_measurement_is_gone, ["figures"]),
        (a_score_was_raised, ["figures", "evidence"]),
        (a_verdict_was_rewritten, ["figures"]),
        (other_code_was_put_under_a_verdict, ["attempts"]),
        (main_was_moved, ["main"]),
        (an_object_is_damaged, ["git objects"]),
        (the_index_is_damaged, ["index"]),
        (the_listing_was_changed, ["listing"]),
        (the_confirmation_is_cut_off, ["confirmation"]),
    ],
)
def test_damage_is_found_and_named(run: Path, damage: Callable[[Path], None], found: list[str]) -> None:
    damage(run)
    assert wrong(run) == found


@pytest.mark.parametrize(
    "damage",
    [
        a_measurement_is_gone,
        a_score_was_raised,
        main_was_moved,
        the_index_is_damaged,
        the_listing_was_changed,
    ],
)
def test_the_commands_it_prints_mend_it(run: Path, damage: Callable[[Path], None]) -> None:
    damage(run)
    _, findings = fsck(run)
    commands = {
        fault["mending"] for finding in findings.values() for fault in finding["faults"] if fault["mending"]
    }
    assert commands
    for command in commands:
        subprocess.run(command, shell=True, check=True)
    assert wrong(run) == []


@pytest.mark.parametrize("name", ["confirmation.json", "start.json", "baseline.json"])
@pytest.mark.parametrize("verb", ["resume", "ablate"])
def test_a_record_that_says_nothing_is_named_or_made_anew(run: Path, name: str, verb: str) -> None:
    (run / name).write_text("{}")
    done = subprocess.run([SZILARD, verb, str(run)], capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    assert done.returncode == 0 or (done.returncode == 2 and done.stderr.startswith("szilard: "))
