"""Hill climbing: every attempt builds on the best attempt kept so far.

Owns the choice of a parent; it keeps no state that the history does not hold.
"""

from __future__ import annotations

from collections.abc import Sequence

from agent.researchers.base import HistoryEntry


def select(history: Sequence[HistoryEntry]) -> int:
    """The incumbent's number: the kept attempt that no other kept one was held against, else 0."""
    kept = [entry for entry in history if entry.verdict == "kept"]
    beaten = {entry.against for entry in kept}
    return max((entry.number for entry in kept if entry.number not in beaten), default=0)
