"""The picture of a run: its attempts in order, and its winner beside the frontier.

Owns drawing; which figures are drawn is the caller's to say.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette: told apart by people who see colours differently; shapes differ too.
_LOOKS = {
    "kept": ("#009E73", "o"),
    "reverted": ("#8C8C8C", "o"),
    "inconclusive": ("#E69F00", "D"),
    "void": ("#CC79A7", "s"),
    "stopped-early": ("#56B4E9", "v"),
    "crashed": ("#D55E00", "X"),
    "refused": ("#999999", "x"),
}
_KEPT, _BASELINE, _FRONTIER, _INK, _FAINT = "#009E73", "#222222", "#7A7A7A", "#222222", "#DDDDDD"
STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 9.0,
    "axes.edgecolor": "#999999",
    "axes.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "text.color": _INK,
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "szilard",
}


@dataclass(frozen=True)
class AttemptPoint:
    """One attempt. `change` is against attempt `compared_with`, None where nothing was measured."""

    number: int
    verdict: str
    change: float | None
    interval: tuple[float, float] | None
    compared_with: int


@dataclass(frozen=True)
class FrontierPoint:
    """One policy family in the plane of two metrics: means and standard errors over seeds."""

    label: str
    x: float
    y: float
    x_error: float | None = None
    y_error: float | None = None


@dataclass(frozen=True)
class Frontier:
    """What learning rate and length alone reach, and where the winner lies; axes are metrics."""

    x_name: str
    y_name: str
    points: tuple[FrontierPoint, ...]
    baseline: FrontierPoint
    winner: FrontierPoint | None


def draw_run(
    title: str, metric: str, attempts: Sequence[AttemptPoint], frontier: Frontier | None, path: Path
) -> list[Path]:
    """Draw `path` with the suffixes .svg and .png, and return both paths.

    Raises:
        OSError: the pictures cannot be written.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        size = (10.5, 4.4) if frontier is not None else (6.4, 4.4)
        picture = Figure(figsize=size, layout="constrained")
        panels = picture.subplots(
            1, 2 if frontier is not None else 1, squeeze=False, width_ratios=[1.15, 1][: 2 if frontier else 1]
        )[0]
        picture.suptitle(title, x=0.01, ha="left", fontsize=9.0, color="#555555")
        _draw_attempts(panels[0], metric, attempts)
        if frontier is not None:
            _draw_frontier(panels[1], frontier)
        return save(picture, path, dots_per_inch=160)


def save(picture: Figure, path: Path, *, dots_per_inch: int) -> list[Path]:
    """Write a picture as .svg and .png, each under a temporary name first. Raises OSError."""
    written = []
    for suffix, options in ((".svg", {"metadata": {"Date": None}}), (".png", {"dpi": dots_per_inch})):
        target = path.with_suffix(suffix)
        temporary = target.with_name(f".{target.name}.tmp")
        picture.savefig(temporary, format=suffix[1:], **options)
        os.replace(temporary, target)
        written.append(target)
    return written


def _draw_attempts(axes: Axes, metric: str, attempts: Sequence[AttemptPoint]) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_title("Attempts, in order")
    axes.set_xlabel("attempt")
    axes.set_ylabel(f"change of {metric} against the baseline (selection split)")
    offsets = {0: 0.0}
    held = 0
    steps = [(0.0, 0.0)]
    placed: list[tuple[AttemptPoint, float]] = []
    unmeasured: list[AttemptPoint] = []
    for attempt in sorted(attempts, key=lambda attempt: attempt.number):
        if attempt.change is None:
            unmeasured.append(attempt)
            continue
        height = offsets.get(attempt.compared_with, offsets[held]) + attempt.change
        placed.append((attempt, height))
        if attempt.verdict == "kept":
            offsets[attempt.number] = height
            held = attempt.number
            steps.append((float(attempt.number), height))
    last = max((attempt.number for attempt in attempts), default=1)
    steps.append((last + 0.6, steps[-1][1]))
    floor, ceiling = _window([height for _, height in placed])
    axes.axhline(0.0, color=_FAINT, linewidth=1.0, zorder=0)
    axes.step(
        [x for x, _ in steps],
        [y for _, y in steps],
        where="post",
        color=_KEPT,
        linewidth=1.6,
        zorder=1,
        label="incumbent",
    )
    seen: set[str] = set()
    for attempt, height in placed:
        colour, marker = _LOOKS.get(attempt.verdict, (_FRONTIER, "o"))
        if height < floor:
            axes.plot(
                attempt.number, floor, marker=7, color=colour, markersize=7, linestyle="none", clip_on=False
            )
            axes.annotate(
                f"{height:+.3f}",
                (attempt.number, floor),
                xytext=(0, 9),
                textcoords="offset points",
                ha="center",
                va="bottom",
                rotation="vertical",
                color=colour,
                fontsize=7.5,
            )
            continue
        if attempt.interval is not None and attempt.change is not None:
            base = height - attempt.change
            low, high = attempt.interval
            axes.vlines(
                attempt.number,
                max(floor, low + base),
                min(ceiling, high + base),
                color=colour,
                linewidth=1.2,
                alpha=0.55,
                zorder=2,
            )
        hollow = attempt.verdict == "reverted"
        label = None if attempt.verdict in seen else attempt.verdict
        seen.add(attempt.verdict)
        axes.plot(
            attempt.number,
            height,
            marker=marker,
            markersize=7 if attempt.verdict == "kept" else 5.5,
            markerfacecolor="white" if hollow else colour,
            markeredgecolor=colour,
            linestyle="none",
            zorder=3,
            label=label,
        )
    for attempt in unmeasured:
        colour, marker = _LOOKS.get(attempt.verdict, (_FRONTIER, "|"))
        label = None if attempt.verdict in seen else f"{attempt.verdict} (not measured)"
        seen.add(attempt.verdict)
        axes.plot(
            attempt.number,
            floor,
            marker=marker,
            color=colour,
            markersize=7,
            linestyle="none",
            label=label,
            clip_on=False,
        )
    axes.set_ylim(floor, ceiling)
    axes.set_xlim(0, last + 0.6)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, fontsize=8, loc="upper left", ncols=2)


def _window(heights: Sequence[float]) -> tuple[float, float]:
    """Lower and upper edge: a hopeless attempt must not flatten the others."""
    if not heights:
        return -1.0, 1.0
    top = max(*heights, 0.0)
    typical = statistics.median(abs(height) for height in heights)
    lowest = min(*heights, 0.0)
    unit = max(top, typical) or abs(lowest) or 1.0
    floor = max(lowest, -1.2 * unit)
    room = top - floor or unit
    return floor - 0.12 * room, top + 0.38 * room


def _draw_frontier(axes: Axes, frontier: Frontier) -> None:
    axes.set_title("The frontier of learning rate and length")
    axes.set_xlabel(f"{frontier.x_name} (confirmation split)")
    axes.set_ylabel(f"{frontier.y_name} (confirmation split)")
    line = sorted([*frontier.points, frontier.baseline], key=lambda point: point.x)
    axes.plot(
        [p.x for p in line], [p.y for p in line], color=_FRONTIER, linewidth=1.2, linestyle="--", zorder=1
    )
    middle = (line[0].x + line[-1].x) / 2
    below = -11.0
    for point in sorted(frontier.points, key=lambda point: -point.y):
        _draw_point(axes, point, _FRONTIER, "o", 5.0)
        if point.x < middle:
            _label(axes, point, _FRONTIER, 8.0, "normal", (8.0, -11.0))
        else:
            _label(axes, point, _FRONTIER, 8.0, "normal", (-8.0, below))
            below -= 8.0
    _draw_point(axes, frontier.baseline, _BASELINE, "s", 7.0)
    _label(axes, frontier.baseline, _BASELINE, 8.5, "bold", (8.0, 6.0))
    if frontier.winner is not None:
        _draw_point(axes, frontier.winner, _KEPT, "*", 14.0)
        _label(axes, frontier.winner, _KEPT, 8.5, "bold", (8.0, 6.0))
    everything = [point.x for point in line] + ([frontier.winner.x] if frontier.winner is not None else [])
    breadth = max(everything) - min(everything) or 0.02
    axes.set_xlim(min(everything) - 0.15 * breadth, max(everything) + 0.55 * breadth)
    axes.margins(y=0.14)


def _draw_point(axes: Axes, point: FrontierPoint, colour: str, marker: str, size: float) -> None:
    axes.errorbar(
        point.x,
        point.y,
        xerr=point.x_error,
        yerr=point.y_error,
        marker=marker,
        markersize=size,
        color=colour,
        ecolor=colour,
        elinewidth=1.0,
        linestyle="none",
        zorder=3,
    )


def _label(
    axes: Axes, point: FrontierPoint, colour: str, size: float, weight: str, offset: tuple[float, float]
) -> None:
    """Write a point's name `offset` points away: a negative one ends there, a positive one begins there."""
    axes.annotate(
        point.label,
        (point.x, point.y),
        xytext=offset,
        textcoords="offset points",
        ha="right" if offset[0] < 0 else "left",
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5},
        zorder=2,
        color=colour,
        fontsize=size,
        fontweight=weight,
    )
