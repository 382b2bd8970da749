"""What a run has tried, as far as it can be said in the catalogue: configurations and their gains."""

from __future__ import annotations

import math
from dataclasses import dataclass

from agent.researchers.base import Context, HistoryEntry
from agent.researchers.configuration import Configuration, read
from agent.researchers.control_table import Table


@dataclass(frozen=True)
class Tried:
    """An attempt that the catalogue can read; `gain` is against the baseline, positive is better.

    `gain` is None where nothing was measured, `error` its standard error, both in units of the metric.
    """

    entry: HistoryEntry
    configuration: Configuration
    gain: float | None
    error: float


def attempts_tried(context: Context, noise: float, table: Table) -> list[Tried]:
    """Baseline, incumbent and attempts in the order of their numbers; what cannot be read is left out."""
    entries = {entry.number: entry for entry in (context.baseline, context.incumbent, *context.history)}
    found = []
    for number, entry in sorted(entries.items()):
        configuration = read(entry.files, table)
        if configuration is None:
            continue
        gain = 0.0 if number == context.baseline.number else _gain(context, entry, noise)
        error = noise / max(entry.seeds, 1) ** 0.5
        if entry.verdict == "stopped-early" and entry.forecast is not None:
            gain = _foreseen(context, entries.get(entry.against or 0), entry.forecast[0])
            error = entry.forecast[1]
        error = math.hypot(error, context.baseline.standard_error or 0.0)
        found.append(Tried(entry, configuration, gain, error))
    return found


def _foreseen(context: Context, other: HistoryEntry | None, change: float) -> float | None:
    """The gain of an attempt that was stopped early: its comparator's, and what was foreseen beyond that."""
    if other is None or other.score is None or context.baseline.score is None:
        return None
    return context.spec.better(other.score - context.baseline.score) + change


def _gain(context: Context, entry: HistoryEntry, noise: float) -> float | None:
    """Change of the mean score against the baseline's over all its seeds.

    Not the paired change of the verdict: after two seeds that says more about the two baseline seeds,
    which all attempts share, than about the attempt. An attempt that a guard stopped counts as a small
    loss, whatever its score.
    """
    if entry.verdict in (None, "void") or entry.score is None or context.baseline.score is None:
        return None
    gain = context.spec.better(entry.score - context.baseline.score)
    return min(gain, -noise) if entry.broke_guard else gain
