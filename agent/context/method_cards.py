"""A card for every control that a code has: what it computes, does to entropy, and who published it.

Owns the cards; their words are the docstrings of the controls' files, and of the catalogue's table.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path, PurePosixPath

from agent.context.history_table import attempts, outcome, parents
from agent.in_force import controls_in, moved_controls
from agent.researchers.base import Context, HistoryEntry
from agent.researchers.control_table import CONTROLS, FOLDER
from workspaces.controls import Control, NotAControl, parse_control
from workspaces.plain_text import clipped, one_line

CARD_CHARACTERS = 500
SHOWN_ATTEMPTS = 3


def cards(context: Context) -> dict[str, str]:
    """Path of a control's file -> its card; empty where the code has no controls."""
    found = {path: _control(path, text) for path, text in sorted(context.files.items()) if _may_hold(path)}
    if not any(found.values()):
        return {}
    tried = _tried(context)
    in_force = controls_in(context.files)
    return {
        path: _card(control, path, in_force.get(control.name), tried.get(control.name, []))
        for path, control in found.items()
        if control is not None
    }


def in_force_paths(context: Context) -> set[str]:
    """The files of the controls that the parent's code puts in force."""
    names = controls_in(context.files)
    found = {path: _control(path, text) for path, text in context.files.items() if _may_hold(path)}
    return {path for path, control in found.items() if control is not None and control.name in names}


def _may_hold(path: str) -> bool:
    pure = PurePosixPath(path)
    return str(pure.parent) == FOLDER and pure.suffix == ".py"


@lru_cache(maxsize=1024)
def _control(path: str, text: str) -> Control | None:
    try:
        return parse_control(text, Path(path))
    except NotAControl:
        return None


def _tried(context: Context) -> Mapping[str, list[HistoryEntry]]:
    """Name of a control -> the attempts that added or moved it."""
    known = parents(context)
    found: dict[str, list[HistoryEntry]] = {}
    for entry in attempts(context):
        parent = known.get(entry.parent or 0)
        for name in moved_controls(parent.files if parent else {}, entry.files):
            found.setdefault(name, []).append(entry)
    return found


def _card(control: Control, path: str, call: str | None, tried: list[HistoryEntry]) -> str:
    arguments = ", ".join(f"{name}={value!r}" for name, value in control.defaults.items())
    said = one_line(control.documentation.partition("Pitfalls:")[0]) or "It says nothing of itself."
    lines = [
        f"{control.name}({arguments}), a {control.kind} in {path}",
        f"  {clipped(said, CARD_CHARACTERS)}",
    ]
    if control.name in CONTROLS:
        lines.append(f"  Effect on entropy: {CONTROLS[control.name].effect}.")
    if call is not None:
        lines.append(f"  In force in the parent: {call}")
    latest = "; ".join(f"{entry.number} ({outcome(entry)})" for entry in tried[-SHOWN_ATTEMPTS:])
    lines.append(f"  Tried in {len(tried)} attempts, the latest {latest}" if tried else "  Not tried yet.")
    return "\n".join(line.replace("\n", " ") for line in lines) + "\n"
