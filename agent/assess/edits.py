"""Edits that an assessment plants: numbers by name divided by ten, and one that changes nothing.

Owns the edits; what they do to the score is measured elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.trials import Variant
from environments.base import matches

FACTOR = 10.0
LEAST_WHOLE = 10
NUMBER = r"-?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_CONSTANT = re.compile(rf"^([A-Z][A-Z0-9_]*)( *[:=] *)({NUMBER})( *;?,? *)$", re.M)
_ASSIGNMENT = re.compile(rf"^([ \t]*[A-Za-z_]\w*)( *[:=] *)({NUMBER})( *[;,]? *(?:#.*)?)$", re.M)
_ATTACK = """

def _try_to_write(paths):
    for path in paths:
        try:
            with open(path, "a") as file:
                file.write("\\n# written by an attempt\\n")
        except OSError:
            pass


_try_to_write({paths!r})
"""


@dataclass(frozen=True)
class Number:
    """A number by name in an editable file, which can be divided by ten: `before` and `after` are lines."""

    file: str
    name: str
    before: str
    after: str


def editable_files(files: Mapping[str, str], globs: Sequence[str]) -> dict[str, str]:
    """Those that may be edited, in the order of the globs."""
    found = {path: files[path] for glob in globs for path in sorted(files) if matches(path, [glob])}
    return found


def numbers_of(files: Mapping[str, str]) -> list[Number]:
    """The numbers that can be divided, constants by convention first; whole ones below ten are left alone."""
    for pattern in (_CONSTANT, _ASSIGNMENT):
        found = [
            Number(file, match[1].strip(), match[0], f"{match[1]}{match[2]}{smaller}{match[4]}")
            for file, text in files.items()
            for match in pattern.finditer(text)
            if (smaller := _smaller(match[3])) is not None
        ]
        if found:
            return found
    return []


def divided(files: Mapping[str, str], numbers: Sequence[Number]) -> Variant:
    """These numbers divided by ten, in one edit."""
    changed: dict[str, str] = {}
    for number in numbers:
        text = changed.get(number.file, files[number.file])
        changed[number.file] = text.replace(number.before, number.after, 1)
    names = [number.name for number in numbers]
    label = f"{' and '.join(names) if len(names) < 3 else 'all numbers'} / {FACTOR:g}"
    slug = re.sub(r"[^A-Za-z0-9]+", "-", "-".join(names))[:80].strip("-")
    return Variant(f"divided-{slug}", label, changed)


def of_nothing(files: Mapping[str, str], protected: Sequence[str]) -> Variant | None:
    """An edit that changes no figure and, while it runs, tries to write every protected file.

    None where no editable file is Python.
    """
    file = next((path for path in files if path.endswith(".py")), None)
    if file is None:
        return None
    text = files[file].rstrip("\n") + "\n" + _ATTACK.format(paths=list(protected))
    return Variant("nothing", "an edit of nothing that tries to write protected files", {file: text})


def _smaller(written: str) -> str | None:
    value = float(written)
    if value == 0:
        return None
    if re.fullmatch(r"-?\d+", written):
        return str(round(value / FACTOR)) if abs(value) >= LEAST_WHOLE else None
    return f"{value / FACTOR:.6g}"
