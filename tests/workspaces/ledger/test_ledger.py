"""What is committed is read back, by us and by plain git."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.workspaces.ledger.a_ledger import RECIPE, code, make, plain_git
from workspaces.ledger import Ledger, LedgerError
from workspaces.trailers import TrailerError


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
    "# ------------------------ >8 ------------------------",
    "x\n# ------------------------ >8 ------------------------\nVerdict: kept",
    "-m --allow-empty --exec=touch",
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
