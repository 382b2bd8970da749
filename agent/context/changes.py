"""How the code of two attempts differs: for a person's eye, and as a distance.

Owns the comparison of editable files; which attempts are compared is for the sections that show them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from difflib import unified_diff
from functools import lru_cache

from workspaces.plain_text import clipped

_LONGEST_LINE = 200

Files = Mapping[str, str]


def changed_paths(before: Files, after: Files) -> list[str]:
    """The files that only one of both has, or that have another text, in the order of their paths."""
    return sorted(path for path in {*before, *after} if before.get(path) != after.get(path))


def distance(before: Files, after: Files) -> int:
    """How many lines only one of both has, wherever they stand: cheap enough for every attempt of a run."""
    return sum(_apart(before.get(path, ""), after.get(path, "")) for path in changed_paths(before, after))


def changed_lines(before: Files, after: Files, most: int) -> list[str]:
    """Removed and added lines behind their paths, at most `most` of them and a word on the others."""
    lines: list[str] = []
    for path in changed_paths(before, after):
        lines += [f"{path}: {line}" for line in _difference(before, after, path, 0)[2:] if line[0] in "+-"]
    hidden = len(lines) - most
    return lines[:most] + ([f"[... {hidden} more changed lines ...]"] if hidden > 0 else [])


def patch(before: Files, after: Files) -> str:
    """All changes as a unified diff with two lines around each."""
    lines = [
        line for path in changed_paths(before, after) for line in _difference(before, after, path, 2, path)
    ]
    return "\n".join(lines)


def _difference(before: Files, after: Files, path: str, around: int, name: str = "") -> list[str]:
    old, new = before.get(path, "").splitlines(), after.get(path, "").splitlines()
    found = unified_diff(old, new, name and f"a/{name}", name and f"b/{name}", n=around, lineterm="")
    return [clipped(line, _LONGEST_LINE).replace("\n", " ") for line in found]


@lru_cache(maxsize=8192)
def _apart(before: str, after: str) -> int:
    old, new = _counted(before), _counted(after)
    return (old - new).total() + (new - old).total()


@lru_cache(maxsize=4096)
def _counted(text: str) -> Counter[str]:
    return Counter(text.splitlines())
