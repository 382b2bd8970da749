"""Attempts beside each other: what lies near the parent and did not help, and what set winners apart.

Owns which attempts are picked, by the distance of their code, and how they are shown.
"""

from __future__ import annotations

from agent.context.changes import changed_lines, distance, patch
from agent.context.history_table import attempts, outcome, parents
from agent.researchers.base import Context, HistoryEntry
from workspaces.plain_text import fenced, one_line

NEAREST = 5
SHOWN_CHANGES = 8
PATCH_CHARACTERS = 3_000

_LOST = ("reverted", "inconclusive", "stopped-early", "crashed", "void")


def nearest_to_avoid(context: Context) -> str:
    """The attempts that were not kept and whose code lies nearest to the parent's, nearest first.

    What was refused never trained, and is in the history only. Empty where there is none.
    """
    code = context.incumbent.files
    lost = [entry for entry in attempts(context) if entry.verdict in _LOST and entry.files]
    lost.sort(key=lambda entry: (distance(code, entry.files), -entry.number))
    parts = []
    for entry in lost[:NEAREST]:
        lines = changed_lines(code, entry.files, SHOWN_CHANGES) or ["the code of the parent itself"]
        parts.append("\n    ".join([f"attempt {entry.number} ({outcome(entry)}):", *lines]))
    return fenced("\n".join(parts)) if parts else ""


def contrast(context: Context) -> str:
    """The best kept attempt beside another one, as diffs to their parents; empty where nothing was kept.

    The other is the kept one whose code is furthest from it or, where there is none, the one nearest to
    it among those that were not kept.
    """
    known = parents(context)
    shown = [entry for entry in attempts(context) if entry.files and known.get(entry.parent or 0)]
    kept = [entry for entry in shown if entry.verdict == "kept"]
    if not kept:
        return ""
    best = max(kept, key=lambda entry: (context.spec.better(entry.score_change or 0.0), -entry.number))
    other = _other(best, kept, [entry for entry in shown if entry.verdict in _LOST])
    parts = []
    for entry in (best, *([other] if other is not None else [])):
        parent = known[entry.parent or 0]
        changes = fenced(patch(parent.files, entry.files), "diff", limit=PATCH_CHARACTERS)
        said = fenced(one_line(entry.hypothesis, 200))
        parts.append(
            f"Attempt {entry.number} ({outcome(entry)}) said:\n{said}\n"
            f"and changed in attempt {parent.number}:\n{changes}"
        )
    return "\n\n".join(parts)


def _other(best: HistoryEntry, kept: list[HistoryEntry], lost: list[HistoryEntry]) -> HistoryEntry | None:
    def apart(entry: HistoryEntry) -> tuple[int, int]:
        return distance(best.files, entry.files), -entry.number

    others = [entry for entry in kept if entry is not best]
    return max(others, key=apart) if others else min(lost, key=apart, default=None)
