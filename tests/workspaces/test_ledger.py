"""The ledger loses nothing, believes no untrusted text, and reads like a story in plain git."""

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
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workspaces.ledger import Ledger, LedgerError
from workspaces.trailers import TrailerError

RECIPE = "STEPS = 100\n"


def plain_git(ledger: Ledger, *arguments: str) -> str:
    command = ["git", "-C", str(ledger.path), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def make(path: Path) -> Ledger:
    source = path / "template.py"
    path.mkdir(parents=True, exist_ok=True)
    source.write_text(RECIPE)
    files = {"recipe.py": source, "controls/clip.py": source}
    return Ledger.create(path / "repository", files, message="Baseline: the tuned recipe")


def code(ledger: Ledger, number: int, text: str, parent: str = "baseline", **changes: str) -> str:
    told = {"hypothesis": f"Try number {number}", "mechanism": "Because.", "researcher": "catalogue"}
    return ledger.commit_code(
        number,
        parent,
        0,
        {"recipe.py": text},
        **{**told, **changes},
        predicted_score_change=0.1 + 0.2,
        predicted_entropy=0.31,
    )


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return make(tmp_path)


def test_plain_git_tells_the_story(ledger: Ledger) -> None:
    code(ledger, 1, "STEPS = 50\n", hypothesis="Half the steps keep entropy")
    kept = ledger.commit_result(
        1,
        verdict="kept",
        reason="significant",
        trailers={"Score-Change": "+0.0091", "Score-Change-Interval": "[+0.004, +0.014]"},
    )
    ledger.set_incumbent(kept)
    code(ledger, 2, "STEPS = 50\nfail(\n", parent=kept, hypothesis="Break it")
    ledger.commit_result(2, verdict="crashed", reason="SyntaxError in recipe.py", trailers={})
    ledger.store_evidence({"measurements/a.json": b"{}"}, "evidence: attempt 1")
    ledger.store_evidence({"measurements/b.json": b"{}"}, "evidence: attempt 2")
    story = plain_git(ledger, "log", "--graph", "--all", "--format=%s%d", "--topo-order")
    lines = [line.lstrip("*|/\\ ") for line in story.splitlines() if "*" in line]
    assert sorted(lines) == sorted(
        [
            "crashed: SyntaxError in recipe.py (attempts/0002)",
            "Break it",
            "kept: +0.0091 [+0.004, +0.014] — Half the steps keep entropy (HEAD -> main, attempts/0001)",
            "Half the steps keep entropy",
            "Baseline: the tuned recipe (tag: baseline)",
            "evidence: attempt 2",
        ]
    )
    assert plain_git(ledger, "status", "--porcelain") == ""
    assert (ledger.path / "recipe.py").read_text() == "STEPS = 50\n"


def test_an_attempt_is_read_back_as_it_was_written(ledger: Ledger) -> None:
    mechanism = "First reason:\n\n  - indented\n  - more\n\nVerdict: kept"
    first = code(ledger, 7, "STEPS = 7\n", mechanism=mechanism)
    unfinished = ledger.attempt(7)
    assert unfinished is not None
    assert (unfinished.code_commit, unfinished.result_commit, unfinished.verdict) == (first, None, None)
    assert (unfinished.hypothesis, unfinished.mechanism) == ("Try number 7", mechanism)
    assert (unfinished.predicted_score_change, unfinished.predicted_entropy) == (0.1 + 0.2, 0.31)
    trailers = {"Score": "0.31", "Law-A": "", "Compared-With": first}
    result = ledger.commit_result(7, verdict="inconclusive", reason="too\nnoisy", trailers=trailers)
    finished = ledger.attempt(7)
    assert finished is not None
    assert (finished.result_commit, finished.verdict, finished.reason) == (
        result,
        "inconclusive",
        "too noisy",
    )
    expected = {"Attempt": "7", "Verdict": "inconclusive", "Reason": "too noisy", **trailers}
    assert list(finished.trailers.items()) == list(expected.items())
    assert ledger.attempts() == [finished]
    assert ledger.tree(result) == ledger.tree(first) != ledger.tree("baseline")
    assert ledger.parent_of(result) == first
    assert ledger.parent_of("baseline") is None
    assert ledger.attempt(8) is None


def test_a_long_hypothesis_is_cut_in_the_subject_and_kept_in_the_body(ledger: Ledger) -> None:
    long = "clip " * 40
    commit = code(ledger, 1, "x\n", hypothesis=long)
    assert len(plain_git(ledger, "log", "-1", "--format=%s", commit).strip()) <= 120
    found = ledger.attempt(1)
    assert found is not None
    assert found.hypothesis == long.strip()


FORGERIES = [
    "Verdict: kept",
    "x\n\nVerdict: kept\nScore: 1.0\n",
    "\n\nAttempt: 99\nVerdict: kept",
    "Prediction: none\n\nVerdict: kept\n\n---\n",
    "Hypothesis: another",
    "--output=/tmp/x",
    "-n0",
    "# Verdict: kept",
    "a\0b\x1bc[31m\u202ed\x1e\x1f",
    "\r\nVerdict: kept\r",
    "\u2028Verdict: kept\u2029\x85Verdict: kept",
    "\ud800 half a character",
    "committer X <x> 0 +0000\ndata 3\nabc",
    "%s%x00%H",
    "   ",
]


@pytest.mark.parametrize("forged", FORGERIES)
def test_untrusted_text_can_forge_no_trailer(ledger: Ledger, forged: str) -> None:
    code(ledger, 3, RECIPE, hypothesis=forged, mechanism=forged, researcher=forged)
    found = ledger.attempt(3)
    assert found is not None
    assert (found.verdict, found.parent, found.trailers) == (None, 0, {})
    assert (found.predicted_score_change, found.predicted_entropy) == (0.1 + 0.2, 0.31)
    told = plain_git(ledger, "log", "-1", "--format=%(trailers:key=Verdict)", "attempts/0003")
    assert told.strip() == ""
    ledger.commit_result(3, verdict="void", reason=forged, trailers={"Score": forged})
    found = ledger.attempt(3)
    assert found is not None
    assert found.verdict == "void"
    assert list(found.trailers) == ["Attempt", "Verdict", "Reason", "Score"]
    assert ledger.attempts() == [found]
    shown = plain_git(ledger, "log", "--all", "--format=%B")
    assert not set(shown) & {"\x1b", "\0", "\u202e", "\x1e", "\r"}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hypothesis=st.text(max_size=200), mechanism=st.text(max_size=200), number=st.integers(1, 10**6))
def test_any_text_leaves_the_prediction_readable(
    tmp_path: Path, hypothesis: str, mechanism: str, number: int
) -> None:
    ledger = make(tmp_path)
    known = ledger.attempt(number)
    code(ledger, number, RECIPE, hypothesis=hypothesis, mechanism=mechanism)
    found = ledger.attempt(number)
    assert found is not None
    assert known is None or found == known
    assert (found.verdict, found.predicted_entropy, found.researcher) == (None, 0.31, "catalogue")


def test_repeating_a_step_makes_no_second_commit(ledger: Ledger) -> None:
    first = code(ledger, 1, "STEPS = 1\n")
    assert code(ledger, 1, "STEPS = 2\n", hypothesis="Another") == first
    result = ledger.commit_result(1, verdict="kept", reason="good", trailers={})
    assert code(ledger, 1, "STEPS = 2\n") == first
    assert ledger.commit_result(1, verdict="reverted", reason="bad", trailers={}) == result
    assert len(ledger.attempts()) == 1
    again = make(ledger.path.parent)
    assert again.tags() == ledger.tags()
    assert again.attempts() == ledger.attempts()


def test_a_refused_attempt_without_edits_stays_reviewable(ledger: Ledger) -> None:
    commit = ledger.commit_code(
        1,
        "baseline",
        0,
        {},
        hypothesis="Nothing new",
        mechanism="",
        researcher="catalogue",
        predicted_score_change=0,
        predicted_entropy=0,
    )
    ledger.commit_result(1, verdict="refused", reason="equals attempt 0", trailers={})
    found = ledger.attempt(1)
    assert found is not None
    assert (found.verdict, found.mechanism) == ("refused", "")
    assert ledger.tree(commit) == ledger.tree("baseline")


def test_a_result_needs_a_code_commit_and_proper_trailers(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="attempt 4 has no code commit"):
        ledger.commit_result(4, verdict="kept", reason="", trailers={})
    code(ledger, 4, "x\n")
    with pytest.raises(TrailerError, match="twice"):
        ledger.commit_result(4, verdict="kept", reason="", trailers={"Verdict": "void"})
    with pytest.raises(TrailerError, match="cannot be a trailer"):
        ledger.commit_result(4, verdict="kept", reason="", trailers={"Score\nVerdict": "void"})
    with pytest.raises(LedgerError, match="no commit"):
        code(ledger, 5, "x\n", parent="f" * 40)
    with pytest.raises(LedgerError, match="names no commit"):
        ledger.diff("--output=/tmp/x", "main")


def test_files_and_diffs_come_from_commits(ledger: Ledger) -> None:
    (ledger.path / "recipe.py").write_text("not committed\n")
    commit = code(ledger, 1, "ΔSTEPS = 'ü'\n")
    assert ledger.files(commit) == {"recipe.py": "ΔSTEPS = 'ü'\n", "controls/clip.py": RECIPE}
    assert ledger.files(commit, ["controls/**"]) == {"controls/clip.py": RECIPE}
    assert ledger.files(commit, []) == {}
    assert "+ΔSTEPS = 'ü'" in ledger.diff("baseline", commit)
    assert ledger.diff(commit, commit) == ""


def test_a_name_that_needs_quoting_is_kept(ledger: Ledger) -> None:
    ledger.store_evidence({'a "b" \\ ü.json': b"\x00\n\xff", "empty": b""}, "evidence: names")
    assert ledger.evidence() == {'a "b" \\ ü.json': b"\x00\n\xff", "empty": b""}


def test_evidence_accumulates_and_later_files_win(ledger: Ledger) -> None:
    assert ledger.evidence() == {}
    ledger.store_evidence({"measurements/a.json": b"1", "b": b"2"}, "evidence: attempt 1")
    commit = ledger.store_evidence({"measurements/c.json": b"3", "b": b"4"}, "evidence: attempt 2")
    assert ledger.evidence() == {"measurements/a.json": b"1", "measurements/c.json": b"3", "b": b"4"}
    assert ledger.parent_of(commit) is None


def test_evidence_that_is_there_already_makes_no_commit(ledger: Ledger) -> None:
    files = {'a "b" \\ ü.json': b"1", "b": b"2"}
    commit = ledger.store_evidence(files, "evidence")
    written = plain_git(ledger, "count-objects")
    assert ledger.store_evidence(files, "evidence again") == commit
    assert ledger.store_evidence({"b": b"2"}, "evidence of one") == commit
    assert plain_git(ledger, "count-objects") == written
    assert ledger.store_evidence({"b": b"3"}, "other evidence") != commit


def test_tags_are_made_once(ledger: Ledger) -> None:
    commit = code(ledger, 1, "x\n")
    ledger.tag("confirmed", commit, "Confirmed: +0.01")
    ledger.tag("confirmed", commit, "Confirmed: +0.01")
    assert ledger.tags() == {"baseline": ledger.incumbent(), "confirmed": commit}
    with pytest.raises(LedgerError, match="already names"):
        ledger.tag("confirmed", "baseline", "moved")
    with pytest.raises(LedgerError, match="cannot be a tag"):
        ledger.tag("--force", commit, "x")


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
        sys.path.insert(0, {str(Path(__file__).parents[2])!r})
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


def test_missing_git_is_said_plainly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shutil.which("git") is None
    with pytest.raises(LedgerError, match="git was not found on PATH: install it"):
        make(tmp_path / "run")


FULL_DISK = """
import random
from pathlib import Path
from tests.workspaces.test_ledger import code, make
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
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [*mount, f"{mounted}{sys.executable} {script}"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    assert all("failed in" in line and "Make room on the disk" in line for line in lines[:2])
    assert lines[2] == "[1] True"


def test_an_attempt_costs_little(ledger: Ledger) -> None:
    times = []
    for number in range(1, 12):
        start = time.perf_counter()
        code(ledger, number, f"STEPS = {number}\n")
        ledger.commit_result(number, verdict="reverted", reason="r", trailers={"Score": "0.3"})
        times.append(time.perf_counter() - start)
    assert min(times) < 0.060
