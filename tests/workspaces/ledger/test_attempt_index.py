"""A list out of the index is the list that git gives, or there is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.workspaces.ledger.a_ledger import code, make, plain_git
from workspaces.attempt_index import INDEX_FILE, differences, read_indexed_attempts
from workspaces.ledger import Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """Three decided attempts, of which the second was kept."""
    ledger = make(tmp_path)
    for number in (1, 2, 3):
        code(
            ledger,
            number,
            f"STEPS = {number}\n",
            hypothesis=f"Number {number} ± its error",
        )
        ledger.commit_result(number, verdict="reverted", reason="no gain", trailers={"Score": f"0.{number}"})
        ledger.attempts()
    ledger.set_incumbent("attempts/0002")
    return ledger


def of_git(ledger: Ledger) -> tuple[list[object], str]:
    reader = Ledger.open(ledger.path)
    return list(reader.attempts()), reader.incumbent()


def test_the_index_lists_what_git_lists_with_loose_and_with_packed_refs(ledger: Ledger) -> None:
    assert read_indexed_attempts(ledger.git.git_directory) == of_git(ledger)
    plain_git(ledger, "pack-refs", "--all")
    code(ledger, 4, "STEPS = 4\n")
    ledger.commit_result(4, verdict="crashed", reason="it raised", trailers={})
    ledger.attempts()
    assert read_indexed_attempts(ledger.git.git_directory) == of_git(ledger)


def an_attempt_is_under_way(ledger: Ledger) -> None:
    code(ledger, 4, "STEPS = 4\n")


def a_branch_was_moved(ledger: Ledger) -> None:
    plain_git(ledger, "branch", "-f", "attempts/0001", "attempts/0001~1")


def the_index_is_gone(ledger: Ledger) -> None:
    (ledger.git.git_directory / INDEX_FILE).unlink()


def the_index_is_torn(ledger: Ledger) -> None:
    path = ledger.git.git_directory / INDEX_FILE
    path.write_bytes(path.read_bytes()[:-30])


def the_index_is_rubbish(ledger: Ledger) -> None:
    (ledger.git.git_directory / INDEX_FILE).write_bytes(b'{"tip": 1}\n[]\n\xff\n{"number": []}\n')


@pytest.mark.parametrize(
    "change",
    [an_attempt_is_under_way, a_branch_was_moved, the_index_is_gone, the_index_is_torn, the_index_is_rubbish],
)
def test_where_the_index_does_not_know_every_attempt_git_is_asked(
    ledger: Ledger, change: Callable[[Ledger], None]
) -> None:
    change(ledger)
    assert read_indexed_attempts(ledger.git.git_directory) is None


@pytest.mark.parametrize("change", [the_index_is_gone, the_index_is_torn, the_index_is_rubbish])
def test_whoever_opens_the_ledger_to_go_on_completes_the_index(
    ledger: Ledger, change: Callable[[Ledger], None]
) -> None:
    change(ledger)
    make(ledger.path.parent).attempts()
    assert read_indexed_attempts(ledger.git.git_directory) == of_git(ledger)


def test_a_line_that_was_changed_by_hand_is_told_of(ledger: Ledger) -> None:
    directory, attempts = ledger.git.git_directory, {a.number: a for a in ledger.attempts()}
    assert differences(directory, attempts) == []
    path = directory / INDEX_FILE
    path.write_text(path.read_text().replace('"Score":"0.2"', '"Score":"0.9"'))
    assert differences(directory, attempts) == ["the index says something else of attempt 2 than its commits"]
