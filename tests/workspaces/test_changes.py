"""From two states of a work tree to the edits between them: exact, and in blocks where that can be told."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workspaces.changes import edits_between, forbidden
from workspaces.edits import apply_edits

LINES = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "", "d", "\n", "é\r\n"]), max_size=14).map("".join)
EDITABLE = ("*",)


@given(before=st.dictionaries(st.sampled_from(["x", "y", "z"]), LINES), after=LINES, most=st.integers(1, 4))
def test_the_edits_lead_exactly_there(before: dict[str, str], after: str, most: int) -> None:
    wanted = {**before, "x": after}
    edits = edits_between(before, wanted, most)
    if before == wanted:
        assert edits == ()
    else:
        assert apply_edits(before, edits, editable=EDITABLE, protected=()) == wanted


def test_a_small_change_of_a_long_file_fits_a_newer_state_of_it() -> None:
    old = "".join(f"line {number}\n" for number in range(40))
    (edit,) = edits_between({"x": old}, {"x": old.replace("line 30\n", "line thirty\n")}, 32)
    assert edit.search is not None
    newer = old.replace("line 3\n", "line three\n")
    after = apply_edits({"x": newer}, [edit], editable=EDITABLE, protected=())
    assert "line thirty" in after["x"]
    assert "line three\n" in after["x"]


def test_too_many_blocks_become_whole_files() -> None:
    old = "".join(f"line {number}\n" for number in range(100))
    new = old.replace("0\n", "0.\n")
    assert len(edits_between({"x": old}, {"x": new}, 32)) > 1
    (edit,) = edits_between({"x": old}, {"x": new}, 1)
    assert edit.content == new


def test_what_is_protected_or_not_editable_may_not_be_changed() -> None:
    assert forbidden(["b.py", "a.py", "c/d.py", "t"], ("*.py",), ("a.py",)) == ["a.py", "c/d.py", "t"]
