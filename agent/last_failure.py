"""What the latest attempt that failed left behind, for who proposes the next one.

Owns the choice of the file; its words are those of the program that failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agent.failures import last_lines
from agent.researchers.base import HistoryEntry

_FAILED = ("crashed", "refused")


def last_failure(run: Path, history: Sequence[HistoryEntry]) -> str | None:
    """Verdict, reason and the end of the log of the newest attempt that failed; None where none did."""
    failed = next((entry for entry in reversed(history) if entry.verdict in _FAILED), None)
    if failed is None:
        return None
    said = f"attempt {failed.number} ({failed.verdict}): {failed.reason}"
    log = _log(run / "attempts" / f"{failed.number:04d}", crashed=failed.verdict == "crashed")
    return said if log is None else f"{said}\n{last_lines(log)}"


def _log(folder: Path, *, crashed: bool) -> Path | None:
    """The failure that went back to the researcher or, of a later crash, what the training printed last."""
    told = folder / "failure.txt"
    if told.exists():
        return told
    logs = sorted(folder.glob("selection-*/stderr.log")) if crashed else []
    return logs[-1] if logs else None
