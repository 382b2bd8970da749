"""Whether a run has stopped getting better: many attempts in a row of which none was kept.

Owns the count; what follows from it is for search and researchers.
"""

from __future__ import annotations

from collections.abc import Sequence

from agent.researchers.base import HistoryEntry

PLATEAU = 8


def stalled(history: Sequence[HistoryEntry]) -> int:
    """Attempts decided since one was last kept, once they are at least `PLATEAU`; else 0."""
    last = max((entry.number for entry in history if entry.verdict == "kept"), default=0)
    since = sum(entry.number > last and entry.verdict is not None for entry in history)
    return since if since >= PLATEAU else 0
