"""What an edit may do to the code under research, and what it is told when it may not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.base import matches
from workspaces.edits import LARGEST_FILE, Edit, EditError, apply_edits
from workspaces.plain_text import hidden

FILES = {
    "recipe.py": "LEARNING_RATE = 1e-4\nSTEPS = 100\n\n\ndef train(policy):\n    return policy\n",
    "controls/clip.py": "CLIP = 0.2\n",
    "train.py": "import recipe\n",
}
EDITABLE = ("recipe.py", "controls/**/*.py", "*.txt")
PROTECTED = ("train.py", "controls/batch.py")

seen_text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=200).filter(
    lambda text: not hidden(text)
)


def apply(*edits: Edit) -> dict[str, str]:
    return apply_edits(FILES, edits, editable=EDITABLE, protected=PROTECTED)


def refusal(*edits: Edit) -> str:
    before = dict(FILES)
    with pytest.raises(EditError) as caught:
        apply(*edits)
    assert before == FILES
    return str(caught.value)


def test_edits_are_applied_in_order() -> None:
    after = apply(
        Edit(path="recipe.py", search="STEPS = 100", replace="STEPS = 200"),
        Edit(path="recipe.py", search="STEPS = 200", replace="STEPS = 50"),
        Edit(path="controls/new/mine.py", content="A = 1\n"),
        Edit(path="controls/new/mine.py", search="A = 1", replace="A = 2"),
    )
    assert "STEPS = 50" in after["recipe.py"]
    assert after["controls/new/mine.py"] == "A = 2\n"
    assert after["train.py"] == FILES["train.py"]


def test_a_search_that_matches_nothing_is_shown_the_nearest_lines() -> None:
    message = refusal(Edit(path="recipe.py", search="LEARNING_RATE = 2e-4\nSTEPS = 100", replace="x"))
    assert "recipe.py" in message
    assert "    1  LEARNING_RATE = 1e-4" in message
    assert "    2  STEPS = 100" in message


def test_nearest_lines_of_a_long_search_show_the_line_that_is_like_it() -> None:
    text = "".join(f"value_{row} = {row}\n" for row in range(400))
    search = "".join(f"nothing {row}\n" for row in range(40)) + "value_377 = 378 # the very longest of them"
    with pytest.raises(EditError, match=r"378  value_377 = 377"):
        apply_edits(
            {"a.py": text},
            [Edit(path="a.py", search=search, replace="")],
            editable=["a.py"],
            protected=[],
        )


def test_an_ambiguous_search_names_every_line_it_matches() -> None:
    message = refusal(Edit(path="recipe.py", search="policy", replace="model"))
    assert "2 times, at lines 5, 6" in message
    with pytest.raises(EditError, match="2 times"):
        apply_edits({"a": "aaa"}, [Edit(path="a", search="aa", replace="b")], editable=["a"], protected=[])


def test_edits_that_change_nothing_are_refused() -> None:
    there = Edit(path="recipe.py", search="STEPS = 100", replace="STEPS = 200")
    back = Edit(path="recipe.py", search="STEPS = 200", replace="STEPS = 100")
    assert "change nothing" in refusal(there, back)
    assert "change nothing" in refusal(Edit(path="recipe.py", content=FILES["recipe.py"]))


@pytest.mark.parametrize(
    "path",
    [
        "train.py",
        "Train.PY",
        "ｔrain.py",
        "controls/batch.py",
        "CONTROLS/batch.py",
        "controls/../train.py",
        "./recipe.py",
        "controls//clip2.py",
        "/etc/passwd.txt",
        "C:x.txt",
        "controls\\clip2.py",
        "../x.txt",
        "--upload-pack=x.txt",
        "a\nb.txt",
        "a\x1bb.txt",
        "a\u200bb.txt",
        "recipe.py ",
        ".git/config.txt",
        "controls/.GIT/x.py",
        "controls/git~1/x.py",
        ".gitattributes",
        "Recipe.py",
        "recipe.py/x.py",
        "controls/clip.py/x.py",
        "elsewhere.py",
    ],
)
def test_a_path_outside_the_editable_part_is_refused(path: str) -> None:
    with pytest.raises(EditError):
        apply_edits(
            FILES,
            [Edit(path=path, content="x\n")],
            editable=(*EDITABLE, "controls/**"),
            protected=PROTECTED,
        )


def test_a_folder_cannot_be_replaced_by_a_file() -> None:
    with pytest.raises(EditError, match="folder"):
        apply_edits(FILES, [Edit(path="controls", content="x")], editable=["**"], protected=[])


def test_protection_wins_over_editable() -> None:
    with pytest.raises(EditError, match="protected"):
        apply_edits(FILES, [Edit(path="train.py", content="x")], editable=["**"], protected=["train.py"])


def test_text_that_is_too_large_or_no_text_is_refused() -> None:
    assert "KiB" in refusal(Edit(path="recipe.py", content="é" * (LARGEST_FILE // 2 + 1)))
    assert "NUL" in refusal(Edit(path="recipe.py", content="a\0b"))
    assert "Unicode" in refusal(Edit(path="recipe.py", content="\ud800"))
    assert "does not exist" in refusal(Edit(path="controls/none.py", search="a", replace="b"))
    assert "empty" in refusal(Edit(path="recipe.py", search="", replace="b"))


@pytest.mark.parametrize(
    "text", ["# harmless\rimport os\n", "a = 1  # \u202e", "b\x1b[2J", "c\u200b", "d\x85e", "f\u2028g"]
)
def test_text_that_a_reader_cannot_see_is_refused(text: str) -> None:
    assert "cannot see (U+" in refusal(Edit(path="recipe.py", content=text))
    assert "cannot see (U+" in refusal(Edit(path="recipe.py", search="100", replace=text))


def test_a_file_that_came_with_unseen_characters_stays_editable() -> None:
    files = {"a.py": "\ufeffa = 1\r\n"}
    edit = Edit(path="a.py", search="1", replace="2")
    assert apply_edits(files, [edit], editable=["*"], protected=[]) == {"a.py": "\ufeffa = 2\r\n"}
    half = Edit(path="a.py", search="1\r\n", replace="1\r")
    with pytest.raises(EditError, match=r"U\+000D"):
        apply_edits(files, [half], editable=["*"], protected=[])


@given(before=seen_text, search=seen_text.filter(bool), replace=seen_text, after=seen_text)
def test_a_block_that_matches_once_replaces_exactly_that(
    before: str, search: str, replace: str, after: str
) -> None:
    text = before + search + after
    unique = text.find(search, text.find(search) + 1) < 0
    edit = Edit(path="a.txt", search=search, replace=replace)
    try:
        result = apply_edits({"a.txt": text}, [edit], editable=["*"], protected=[])
    except EditError:
        assert not unique or search == replace
    else:
        assert unique
        assert result == {"a.txt": before + replace + after}


@given(path=st.text(min_size=1, max_size=40))
def test_no_spelling_of_a_path_reaches_a_protected_file(path: str) -> None:
    try:
        after = apply_edits(
            FILES, [Edit(path=path, content="x")], editable=["**"], protected=["train.py", "secret/**"]
        )
    except EditError:
        return
    assert path in after
    assert ".." not in path.split("/")
    assert not path.startswith("/")
    assert path.casefold() != "train.py"
    assert path.casefold().split("/")[0] not in ("secret", ".git")


@pytest.mark.parametrize(
    ("path", "glob", "expected"),
    [
        ("a.py", "*.py", True),
        ("d/a.py", "*.py", False),
        ("d/a.py", "**/*.py", True),
        ("a.py", "**/*.py", True),
        ("d/e/a.py", "d/**", True),
        ("d", "d/**", False),
        ("dxa.py", "d?a.py", True),
        ("d/a.py", "d?a.py", False),
        ("a+b.py", "a+b.py", True),
        ("[a].py", "[a].py", True),
        ("a.py\n", "*.py", False),
    ],
)
def test_globs_cross_folders_only_with_two_stars(path: str, glob: str, expected: bool) -> None:
    assert matches(path, [glob]) is expected


lines_of_code = st.lists(st.from_regex(r"\A[a-z]{3,12} = [0-9]{1,4}\Z"), min_size=3, max_size=30, unique=True)


@given(lines=lines_of_code, data=st.data())
def test_a_block_that_differs_in_white_space_only_is_shown_where_it_stands(
    lines: list[str], data: st.DataObject
) -> None:
    first = data.draw(st.integers(0, len(lines) - 2))
    block = lines[first : first + 2]
    search = "\n".join(f"    {line.replace(' = ', '=')}" for line in block)
    with pytest.raises(EditError) as caught:
        _applied("\n".join(lines), Edit(path="a.py", search=search, replace="x"))
    shown = [f"{first + 1 + row:5d}  {line}" for row, line in enumerate(block)]
    assert str(caught.value).splitlines()[1:] == ["(the same but for white space)", *shown]


@given(lines=lines_of_code, row=st.integers(0, 29), value=st.integers(10_000, 99_999))
def test_a_line_with_another_number_is_told_where_the_nearest_one_stands(
    lines: list[str], row: int, value: int
) -> None:
    wanted = lines[row % len(lines)]
    search = f"{wanted.partition(' = ')[0]} = {value}"
    with pytest.raises(EditError) as caught:
        _applied("\n".join(lines), Edit(path="a.py", search=search, replace="x"))
    message = str(caught.value)
    assert message.startswith("a.py: SEARCH matches nothing. Nearest lines:\n")
    shown = dict(line.split(maxsplit=1) for line in message.splitlines()[1:])
    assert shown
    assert all(lines[int(number) - 1] == line for number, line in shown.items())


@given(before=st.lists(seen_text, max_size=4), twice=seen_text.filter(bool))
def test_a_block_that_matches_twice_is_never_applied(before: list[str], twice: str) -> None:
    text = twice + "".join(before) + twice
    with pytest.raises(EditError, match=r"SEARCH matches \d+ times, at lines 1, "):
        _applied(text, Edit(path="a.py", search=twice, replace="x"))


def test_an_ambiguous_search_shows_the_lines_around_the_first_places() -> None:
    text = "a = 1\nstep()\nb = 2\nstep()\nc = 3\n"
    with pytest.raises(EditError) as caught:
        _applied(text, Edit(path="a.py", search="step()", replace="x"))
    assert str(caught.value).splitlines()[1:] == [
        "    1  a = 1", "    2  step()", "    3  b = 2", "  ...",
        "    3  b = 2", "    4  step()", "    5  c = 3",
    ]  # fmt: skip


def test_of_several_edits_the_one_that_fails_is_named_and_none_is_applied() -> None:
    good = Edit(path="recipe.py", search="STEPS = 100", replace="STEPS = 200")
    message = refusal(good, Edit(path="controls/clip.py", search="CLIP = 0.3", replace="CLIP = 0.4"), good)
    assert message.startswith("edit 2 of 3: controls/clip.py: SEARCH matches nothing. Nearest lines:\n")
    assert "    1  CLIP = 0.2" in message


@given(edits=st.lists(st.tuples(seen_text, seen_text), min_size=1, max_size=4), text=seen_text)
def test_edits_are_applied_in_full_or_refused_and_never_ignored(
    edits: list[tuple[str, str]], text: str
) -> None:
    given_edits = [Edit(path="a.py", search=search, replace=replace) for search, replace in edits]
    try:
        result = _applied(text, *given_edits)
    except EditError:
        return
    expected = text
    for search, replace in edits:
        assert expected.count(search) == 1
        expected = expected.replace(search, replace)
    assert result == expected != text


def _applied(text: str, *edits: Edit) -> str:
    return apply_edits({"a.py": text}, edits, editable=["*"], protected=[])["a.py"]
