"""SEARCH/REPLACE blocks and whole files, applied or refused.

Owns the edit record and its application to text; it touches no disk and no git.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict, Field, model_validator

from environments.base import SzilardError, matches
from workspaces.plain_text import hidden

LARGEST_FILE = 256 * 1024
_NEAR_LINES = 12
_SHOWN_PLACES = 3
_SHOWN_COLUMNS = 200


class EditError(SzilardError):
    """An edit that cannot be applied; the message names the file and the nearest lines."""


class Edit(BaseModel):
    """One change to one file: either `search` and `replace`, or the whole `content`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(min_length=1, max_length=300)
    search: str | None = None
    replace: str | None = None
    content: str | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Edit:
        block = self.search is not None and self.replace is not None and self.content is None
        whole = self.content is not None and self.search is None and self.replace is None
        if not (block or whole):
            raise ValueError("an edit has either search and replace, or content")
        return self


def apply_edits(
    files: Mapping[str, str], edits: Sequence[Edit], *, editable: Sequence[str], protected: Sequence[str]
) -> dict[str, str]:
    """All files after the edits, which are applied in order; `files` is left as it was.

    New files are allowed where their path matches `editable`. A path that matches `protected`, in any
    spelling that some file system takes for the same name, never is.

    Raises:
        EditError: an edit does not apply, or all together change nothing; nothing was changed.
    """
    after = dict(files)
    for number, edit in enumerate(edits, 1):
        try:
            _check_path(edit.path, after, editable, protected)
            changed = edit.content if edit.content is not None else _replaced(edit, after)
            _check_text(edit.path, changed, after.get(edit.path, ""))
        except EditError as error:
            raise EditError(
                f"edit {number} of {len(edits)}: {error}" if len(edits) > 1 else str(error)
            ) from None
        after[edit.path] = changed
    if after == dict(files):
        raise EditError("the edits change nothing: every file is as it was. Propose a real change.")
    return after


def _check_path(
    path: str, files: Mapping[str, str], editable: Sequence[str], protected: Sequence[str]
) -> None:
    folders = path.split("/")
    if path.startswith("/") or re.match(r"[A-Za-z]:", path):
        raise EditError(
            f"{path!r} is absolute: give the path inside the workspace, such as {_example(editable)}."
        )
    if any(unicodedata.category(char)[0] == "C" for char in path) or "\\" in path:
        raise EditError(f"{path!r} holds a backslash or a character that cannot be seen: use a plain path.")
    if any(
        folder in ("", ".", "..") or folder != folder.strip() or folder.endswith(".") for folder in folders
    ):
        raise EditError(f"{path!r} is no plain path: leave out '.', '..', empty and space-padded parts.")
    if any(folder.startswith("-") for folder in folders):
        raise EditError(f"{path!r} could be taken for an option of a program: begin names with a letter.")
    if any(_folded(folder).startswith((".git", "git~")) for folder in folders):
        raise EditError(f"{path!r} belongs to git and is never editable.")
    folded = _folded(path)
    if matches(path, protected) or matches(folded, [_folded(glob) for glob in protected]):
        raise EditError(
            f"{path!r} is protected: it is the same for every attempt. Editable: {_listed(editable)}."
        )
    if not matches(path, editable):
        raise EditError(f"{path!r} is not editable. Editable: {_listed(editable)}.")
    for other in files:
        if other != path and _folded(other) == folded:
            raise EditError(
                f"{path!r} differs from the existing file {other!r} only in spelling: use that path."
            )
        if folded.startswith(_folded(other) + "/") or _folded(other).startswith(folded + "/"):
            raise EditError(f"{path!r} cannot be a file beside {other!r}: one is a folder of the other.")


def _check_text(path: str, text: str, before: str) -> None:
    if "\0" in text:
        raise EditError(f"{path}: the new text holds a NUL byte; only text can be written.")
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise EditError(f"{path}: the new text is not valid Unicode at character {error.start}.") from error
    if size > LARGEST_FILE:
        raise EditError(
            f"{path}: the new text is {size / 1024:.0f} KiB; a file may have {LARGEST_FILE // 1024} KiB."
        )
    unseen = sorted(hidden(text) - hidden(before))
    if unseen:
        spelt = f"U+{ord(unseen[0]):04X}"
        raise EditError(
            f"{path}: the new text holds a character that a reader cannot see ({spelt}): leave it out, or "
            "write it as an escape in a string."
        )


def _replaced(edit: Edit, files: Mapping[str, str]) -> str:
    path, search, replace = edit.path, edit.search or "", edit.replace or ""
    if path not in files:
        raise EditError(
            f"{path} does not exist, so SEARCH cannot match: give its whole content to create it."
        )
    text = files[path]
    if not search:
        raise EditError(f"{path}: SEARCH is empty. Quote the lines to replace, or give the whole content.")
    starts = _occurrences(text, search)
    if not starts:
        raise EditError(f"{path}: SEARCH matches nothing. Nearest lines:\n{_nearest(text, search)}")
    if len(starts) > 1:
        rows = ", ".join(str(_row(text, start) + 1) for start in starts[:_NEAR_LINES])
        raise EditError(
            f"{path}: SEARCH matches {len(starts)} times, at lines {rows}. Quote more lines around the one "
            f"that is meant:\n{_places(text, starts)}"
        )
    return text[: starts[0]] + replace + text[starts[0] + len(search) :]


def _occurrences(text: str, search: str) -> list[int]:
    starts: list[int] = []
    start = text.find(search)
    while start >= 0:
        starts.append(start)
        start = text.find(search, start + 1)
    return starts


def _row(text: str, position: int) -> int:
    """The index of the line that a position stands in."""
    return len((text[:position] + ".").splitlines()) - 1


def _places(text: str, starts: Sequence[int]) -> str:
    """The line before each of the first places, the line of it, and the one after."""
    lines = text.splitlines()
    rows = [_row(text, start) for start in starts[:_SHOWN_PLACES]]
    return "\n  ...\n".join(_numbered(lines, max(0, row - 1), row + 2) for row in rows)


def _nearest(text: str, search: str) -> str:
    """The lines that are most like those that were searched for, with their numbers."""
    lines, wanted = text.splitlines(), search.splitlines()
    spaced = _spaced_otherwise(lines, wanted)
    if spaced is not None:
        return f"(the same but for white space)\n{_numbered(lines, spaced, spaced + len(wanted))}"
    anchor = max(range(len(wanted)), key=lambda row: len(wanted[row].strip()))
    candidates = list(dict.fromkeys(line.strip()[:_SHOWN_COLUMNS] for line in lines if line.strip()))
    close = difflib.get_close_matches(wanted[anchor].strip()[:_SHOWN_COLUMNS], candidates, n=1, cutoff=0.3)
    if not close:
        return f"(none is like it; the file has {len(lines)} lines)"
    row = next(row for row, line in enumerate(lines) if line.strip()[:_SHOWN_COLUMNS] == close[0])
    span = min(len(wanted) + 2, _NEAR_LINES)
    first = max(0, row - min(anchor + 1, span // 2))
    return _numbered(lines, first, first + span)


def _spaced_otherwise(lines: Sequence[str], wanted: Sequence[str]) -> int | None:
    """Where the lines stand that were searched for, if only their white space is another."""
    bare, sought = ["".join(line.split()) for line in lines], ["".join(line.split()) for line in wanted]
    if not any(sought):
        return None
    places = range(len(bare) - len(sought) + 1)
    return next((row for row in places if bare[row : row + len(sought)] == sought), None)


def _numbered(lines: Sequence[str], first: int, end: int) -> str:
    shown = range(first, min(end, len(lines), first + _NEAR_LINES))
    return "\n".join(f"{row + 1:5d}  {lines[row][:_SHOWN_COLUMNS]}" for row in shown)


def _folded(path: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", path).casefold())


def _example(editable: Sequence[str]) -> str:
    return editable[0] if editable else "recipe.py"


def _listed(globs: Sequence[str]) -> str:
    return ", ".join(globs) or "nothing"
