"""What a person says is kept: cleaned, bounded, without secrets, and never rewritten."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from workspaces.remarks import (
    LONGEST_REMARK,
    MOST_REMARKS,
    REMARKS_FILE,
    NoRemark,
    add_remark,
    evidence_of_remarks,
    goes_on_from,
    notes_on,
    read_remarks,
    steering,
)

KEY = "sk-proj-0123456789abcdefGHIJ"


def test_words_are_kept_in_order_without_controls_and_secrets(tmp_path: Path) -> None:
    add_remark(tmp_path, f"Look at \x1b[31mattempt\x1b[0m 3\u202e, {KEY}\r\nand 4")
    add_remark(tmp_path, "Good", attempt=3)
    remarks = read_remarks(tmp_path)
    assert [one.text for one in steering(remarks)] == ["Look at attempt 3, [secret]\nand 4"]
    assert [one.text for one in notes_on(remarks, 3)] == ["Good"]
    assert notes_on(remarks, 4) == []
    assert KEY.encode() not in (tmp_path / REMARKS_FILE).read_bytes()


@pytest.mark.parametrize("text", ["", " \n", "\x1b[0m", "x" * (LONGEST_REMARK + 1)])
def test_nothing_and_too_much_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(NoRemark):
        add_remark(tmp_path, text)
    assert read_remarks(tmp_path) == ()


def test_a_run_takes_so_many_and_no_more(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: add_remark(tmp_path, f"Remark {number}"), range(MOST_REMARKS)))
    assert len({one.text for one in read_remarks(tmp_path)}) == MOST_REMARKS
    with pytest.raises(NoRemark, match="takes no more"):
        add_remark(tmp_path, "One more")


def test_a_torn_line_is_passed_over_and_loses_no_other(tmp_path: Path) -> None:
    add_remark(tmp_path, "First")
    with (tmp_path / REMARKS_FILE).open("a") as file:
        file.write('{"attempt": null, "te')
    add_remark(tmp_path, "Second")
    assert [one.text for one in read_remarks(tmp_path)] == ["First", "Second"]


def test_what_was_kept_of_it_is_its_beginning_for_ever(tmp_path: Path) -> None:
    add_remark(tmp_path, "First")
    kept = evidence_of_remarks(tmp_path)[REMARKS_FILE]
    add_remark(tmp_path, "Second")
    assert goes_on_from(tmp_path, kept)
    (tmp_path / REMARKS_FILE).write_text("")
    assert not goes_on_from(tmp_path, kept)
