"""Directions that are exhausted: what was tried in several settings and gained in none.

Owns the rule. It is a hint and no ban: what fails alone may pay together with something else.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from agent.context.history_table import attempts, parents
from agent.in_force import moved_controls
from agent.researchers.base import Context, HistoryEntry
from agent.researchers.configuration import RECIPE
from workspaces.plain_text import fenced
from workspaces.syntax import parse

SETTINGS = 3

_MEASURED = ("kept", "reverted", "inconclusive", "stopped-early")


@dataclass
class _Direction:
    """What was tried of it: setting -> attempts, and whether any of them gained."""

    settings: dict[str, list[int]] = field(default_factory=dict)
    gained: bool = False


def exhausted(context: Context) -> str:
    """One line for every direction with `SETTINGS` settings or more and no gain; empty where there is none.

    A direction is a control, added or moved, or a constant of the recipe where no control moved with it. An
    attempt gained if it was kept, or if its change was better than one seed's noise.
    """
    found: dict[str, _Direction] = {}
    known = parents(context)
    for entry in attempts(context):
        parent = known.get(entry.parent or 0)
        if parent is None or entry.verdict not in _MEASURED:
            continue
        for name, setting in _moved(parent.files, entry.files).items():
            direction = found.setdefault(name, _Direction())
            direction.settings.setdefault(setting, []).append(entry.number)
            direction.gained |= _gained(entry, context)
    lines = [
        f"{name}: {len(direction.settings)} settings without a gain ({_told(direction.settings)})"
        for name, direction in sorted(found.items())
        if len(direction.settings) >= SETTINGS and not direction.gained
    ]
    return fenced("\n".join(lines)) if lines else ""


def _moved(before: Mapping[str, str], after: Mapping[str, str]) -> Mapping[str, str]:
    """Direction -> its setting, of what an attempt moved."""
    controls = moved_controls(before, after)
    if controls:
        return controls
    earlier, later = _constants(before.get(RECIPE, "")), _constants(after.get(RECIPE, ""))
    return {
        f"{name} alone": value for name, value in later.items() if name in earlier and earlier[name] != value
    }


def _gained(entry: HistoryEntry, context: Context) -> bool:
    if entry.verdict == "kept":
        return True
    change = entry.score_change
    return change is not None and context.spec.better(change) > (context.noise or 0.0)


def _told(settings: Mapping[str, list[int]]) -> str:
    """The newest settings with their attempts."""
    latest = sorted(settings.items(), key=lambda one: -max(one[1]))[:4]
    told = "; ".join(f"{setting} in {', '.join(map(str, numbers[-3:]))}" for setting, numbers in latest)
    return told if len(settings) <= len(latest) else f"{told}; ..."


@lru_cache(maxsize=4096)
def _constants(recipe: str) -> Mapping[str, str]:
    """Name -> number of the recipe's plain assignments."""
    try:
        body = parse(recipe).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    found: dict[str, str] = {}
    for node in body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            value = getattr(node.value, "value", None)
            if isinstance(value, int | float) and not isinstance(value, bool):
                found[node.targets[0].id] = f"{value:g}"
    return found
