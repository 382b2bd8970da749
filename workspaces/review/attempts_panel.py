"""The left panel of a run's picture: what every attempt changed, in order.

Owns drawing. A change is drawn against the incumbent of its time and never added to another: a difference on
one seed on top of one on twelve would look like a gain over the baseline that nobody measured.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workspaces.review.pictures import FAINT, INK, KEPT, legend_below

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's palette: told apart by people who see colours differently; shapes differ too.
_LOOKS = {
    "kept": (KEPT, "o"),
    "reverted": ("#8C8C8C", "o"),
    "inconclusive": ("#E69F00", "D"),
    "void": ("#CC79A7", "s"),
    "stopped-early": ("#56B4E9", "v"),
    "crashed": ("#D55E00", "X"),
    "refused": ("#999999", "x"),
}
_UNKNOWN = ("#7A7A7A", "o")
_FARTHEST = 2.5
_ROOM = 0.08


@dataclass(frozen=True)
class AttemptPoint:
    """One attempt. `change` is None where nothing was measured, `interval` where one seed was."""

    number: int
    verdict: str
    change: float | None
    interval: tuple[float, float] | None


def draw_attempts(axes: Axes, metric: str, attempts: Sequence[AttemptPoint], *, maximise: bool) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_title("Attempts, each against the incumbent of its time")
    axes.set_xlabel("attempt")
    axes.set_ylabel(f"change of {metric}{'' if maximise else ' (less is better)'}")
    least, most = _window(attempts, 1.0 if maximise else -1.0)
    low, high = least - _ROOM * (most - least), most + _ROOM * (most - least)
    worst = low if maximise else high
    axes.axhline(0.0, color=INK, linewidth=0.8, zorder=1)
    for attempt in attempts:
        if attempt.change is None:
            _mark(axes, attempt, worst, hollow=False)
        elif not least <= attempt.change <= most:
            _beyond(axes, attempt, low if attempt.change < least else high)
        else:
            _interval(axes, attempt, low, high)
            _mark(axes, attempt, attempt.change, hollow=attempt.interval is None)
        if attempt.verdict == "kept":
            _promotion(axes, attempt.number)
    axes.set_ylim(low, high)
    axes.set_xlim(0.2, max((attempt.number for attempt in attempts), default=1) + 0.8)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _legend(axes, attempts)


def _window(attempts: Sequence[AttemptPoint], sign: float) -> tuple[float, float]:
    """The changes that are shown: neither a hopeless attempt nor a wide interval must flatten the others."""
    heights = [sign * attempt.change for attempt in attempts if attempt.change is not None]
    if not heights:
        return -1.0, 1.0
    unit = max(*heights, statistics.median(map(abs, heights))) or max(map(abs, heights)) or 1.0
    floor, ceiling = max(min(*heights, 0.0), -_FARTHEST * unit), max(*heights, 0.0)
    for attempt in attempts:
        if attempt.interval is not None and attempt.change is not None and sign * attempt.change >= floor:
            bounds = [sign * bound for bound in attempt.interval]
            floor = min(floor, max(min(bounds), -_FARTHEST * unit))
            ceiling = max(ceiling, min(max(bounds), _FARTHEST * unit))
    low, high = sorted((sign * floor, sign * ceiling))
    return (low, high) if low < high else (-1.0, 1.0)


def _mark(axes: Axes, attempt: AttemptPoint, height: float, *, hollow: bool) -> None:
    colour, marker = _LOOKS.get(attempt.verdict, _UNKNOWN)
    axes.plot(
        attempt.number,
        height,
        marker=marker,
        markersize=8 if attempt.verdict == "kept" else 6,
        markerfacecolor="white" if hollow else colour,
        markeredgecolor=colour,
        linestyle="none",
        zorder=3,
        clip_on=False,
    )


def _beyond(axes: Axes, attempt: AttemptPoint, edge: float) -> None:
    """An attempt outside the window: an arrow at the edge, with its figure."""
    below = edge < 0
    colour, _ = _LOOKS.get(attempt.verdict, _UNKNOWN)
    axes.plot(attempt.number, edge, marker=7 if below else 6, color=colour, markersize=7, clip_on=False)
    axes.annotate(
        f"{attempt.change:+.3f}",
        (attempt.number, edge),
        xytext=(0, 9 if below else -9),
        textcoords="offset points",
        ha="center",
        va="bottom" if below else "top",
        rotation="vertical",
        color=colour,
        fontsize=7.5,
    )


def _interval(axes: Axes, attempt: AttemptPoint, low: float, high: float) -> None:
    """The 95% interval; an end outside the window is cut off with an arrow."""
    if attempt.interval is None:
        return
    colour, _ = _LOOKS.get(attempt.verdict, _UNKNOWN)
    bottom, top = attempt.interval
    axes.vlines(
        attempt.number, max(low, bottom), min(high, top), color=colour, linewidth=1.6, alpha=0.6, zorder=2
    )
    for cut, edge, arrow in ((bottom < low, low, 7), (top > high, high, 6)):
        if cut:
            axes.plot(attempt.number, edge, marker=arrow, markersize=4, color=colour, clip_on=False)


def _promotion(axes: Axes, number: int) -> None:
    """From here on changes are against this attempt."""
    axes.axvline(number + 0.5, color=KEPT, linewidth=1.0, linestyle=(0, (4, 3)), zorder=0)
    axes.annotate(
        f"then against {number}",
        (number + 0.5, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(3, -2),
        textcoords="offset points",
        va="top",
        color=KEPT,
        fontsize=7.5,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 0.5},
        zorder=4,
    )


def _legend(axes: Axes, attempts: Sequence[AttemptPoint]) -> None:
    from matplotlib.lines import Line2D

    def entry(label: str, colour: str, marker: str, *, hollow: bool = False, bar: bool = False) -> Line2D:
        return Line2D(
            [],
            [],
            color=colour,
            marker=marker,
            markersize=6,
            markerfacecolor="white" if hollow else colour,
            linestyle="-" if bar else "none",
            label=label,
        )

    measured = {attempt.verdict for attempt in attempts if attempt.change is not None}
    found = {attempt.verdict for attempt in attempts}
    entries = [
        entry(verdict if verdict in measured else f"{verdict} (not measured)", *look)
        for verdict, look in _LOOKS.items()
        if verdict in found
    ]
    if any(attempt.interval is not None for attempt in attempts):
        entries.append(entry("several seeds, 95% interval", "#8C8C8C", "o", bar=True))
    if any(attempt.change is not None and attempt.interval is None for attempt in attempts):
        entries.append(entry("one seed, no interval", "#8C8C8C", "o", hollow=True))
    if entries:
        legend_below(axes, entries)
    axes.grid(axis="y", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
