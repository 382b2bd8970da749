"""Hill climbing: every attempt builds on the best attempt kept so far.

Owns the choice of a parent; it keeps no state that the history does not hold.
"""

from __future__ import annotations

from collections.abc import Sequence

from agent.researchers.base import HistoryEntry


def select(history: Sequence[HistoryEntry]) -> int:
    """The number of the attempt to build on: the kept one that no other kept one builds on, else 0."""
    kept = [entry for entry in history if entry.verdict == "kept"]
    built_on = {entry.parent for entry in kept}
    return max((entry.number for entry in kept if entry.number not in built_on), default=0)
