"""The table of what was tried: a row an attempt, with more of the newest.

Owns columns and rows; how many of them fit is for `build`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from agent.context.changes import changed_lines
from agent.researchers.base import Context, HistoryEntry
from workspaces.plain_text import fenced, one_line

DETAILED = 12
SHOWN_CHANGES = 16


def attempts(context: Context) -> list[HistoryEntry]:
    """Every attempt but the baseline, oldest first."""
    return [entry for entry in context.history if entry.number != context.baseline.number]


def parents(context: Context) -> dict[int, HistoryEntry]:
    """Number -> entry of whatever an attempt may build on."""
    return {entry.number: entry for entry in (*context.history, context.incumbent, context.baseline)}


def rows(context: Context) -> Iterator[str]:
    """A row an attempt, newest first; the newest few say too what they changed and what entropy did."""
    known = parents(context)
    for rank, entry in enumerate(reversed(attempts(context))):
        parent = known.get(entry.parent or 0)
        yield _row(entry, context) + (_details(entry, parent) if rank < DETAILED else "")


def table(context: Context, shown: Sequence[str]) -> str:
    """The section: `shown` are the rows that fit, newest first; what is left out is counted."""
    tried = attempts(context)
    if not tried:
        return "No attempt has been made yet."
    hidden = tried[: len(tried) - len(shown)]
    note = f"The oldest {len(hidden)} of {len(tried)} attempts are left out for length: {_counted(hidden)}.\n"
    text = "".join([_header(context), *reversed(shown)])
    return (note if hidden else "") + (fenced(text, limit=None) if shown else "")


def outcome(entry: HistoryEntry) -> str:
    """The verdict with the change that it rests on."""
    return f"{entry.verdict or 'in flight'}, {_measured(entry)}"


def _header(context: Context) -> str:
    entropy = ["final entropy (predicted)"] if context.spec.trains_policy else []
    return _line(
        "attempt", "on", "by", "verdict", "change ± error", "predicted", *entropy, "hypothesis", "reason"
    )


def _row(entry: HistoryEntry, context: Context) -> str:
    entropy = f"{_figure(entry.entropy)} ({_figure(entry.predicted_entropy)})"
    return _line(
        str(entry.number),
        str(entry.parent),
        one_line(entry.researcher, 40),
        entry.verdict or "in flight",
        _measured(entry),
        "-" if entry.predicted_score_change is None else f"{entry.predicted_score_change:+.3g}",
        *([entropy] if context.spec.trains_policy else []),
        one_line(entry.hypothesis, 120),
        one_line(entry.reason or "-", 200),
    )


def _details(entry: HistoryEntry, parent: HistoryEntry | None) -> str:
    lines = [f"entropy: {one_line(entry.diagnosis, 500)}"] if entry.diagnosis else []
    if parent is not None and parent.files and entry.files:
        lines += changed_lines(parent.files, entry.files, SHOWN_CHANGES)
    return "".join(f"    {line}\n" for line in lines)


def _measured(entry: HistoryEntry) -> str:
    if entry.score_change is not None:
        error = "" if entry.standard_error is None else f" ± {entry.standard_error:.3g}"
        return f"{entry.score_change:+.3g}{error}"
    if entry.forecast is not None:
        return f"foreseen {entry.forecast[0]:+.3g} ± {entry.forecast[1]:.3g}, positive is better"
    return "not measured"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _line(*cells: str) -> str:
    return " | ".join(cell.replace("|", "/") for cell in cells) + "\n"


def _counted(entries: Sequence[HistoryEntry]) -> str:
    verdicts = Counter(entry.verdict or "in flight" for entry in entries)
    return ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common())
