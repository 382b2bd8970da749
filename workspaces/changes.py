"""From two states of a work tree to the edits that lead from one to the other.

Owns the finding of edits. They are SEARCH/REPLACE blocks where that can be told, so that they fit a newer
state too as long as it has left these lines alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher

from environments.base import matches
from workspaces.edits import Edit, EditError, apply_edits

CONTEXT_LINES = 3


def edits_between(before: Mapping[str, str], after: Mapping[str, str], most: int) -> tuple[Edit, ...]:
    """The edits that make `after` (path -> text) of `before`; files that only `before` has are left alone.

    Where blocks would be more than `most`, each changed file is one edit.
    """
    changed = [path for path in sorted(after) if before.get(path) != after[path]]
    found = [edit for path in changed for edit in _blocks(path, before.get(path), after[path])]
    if len(found) > most:
        return tuple(Edit(path=path, content=after[path]) for path in changed)
    return tuple(found)


def forbidden(paths: Sequence[str], editable: Sequence[str], protected: Sequence[str]) -> list[str]:
    """Those of the paths that may not be changed."""
    return [path for path in sorted(paths) if matches(path, protected) or not matches(path, editable)]


def _blocks(path: str, before: str | None, after: str) -> list[Edit]:
    """SEARCH/REPLACE blocks that do exactly this, else the whole file."""
    whole = [Edit(path=path, content=after)]
    if not before:
        return whole
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    edits = []
    for group in SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(CONTEXT_LINES):
        first, last = group[0], group[-1]
        search, replace = "".join(old[first[1] : last[2]]), "".join(new[first[3] : last[4]])
        edits.append(Edit(path=path, search=search, replace=replace))
    try:
        done = apply_edits({path: before}, edits, editable=(path,), protected=())
    except EditError:
        return whole
    return edits if done == {path: after} else whole
