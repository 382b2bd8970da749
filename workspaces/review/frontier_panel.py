"""The right panel of a run's picture: the winner beside what learning rate and length alone reach.

Owns drawing, and which points of the frontier are dominated by none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workspaces.review.pictures import FAINT, INK, KEPT, legend_below

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

_GREY = "#7A7A7A"
_AROUND = ((8, 6), (-8, 6), (8, -6), (-8, -6), (0, 10), (0, -10), (11, 0), (-11, 0))
_PANEL = (330.0, 240.0)  # points, about


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
    """What learning rate and length alone reach, and where the winner lies; axes are metrics.

    More of `x` is better, and more of `y` too unless `less_y` is. Where it is not known which `x` is better,
    there is no hull.
    """

    x_name: str
    y_name: str
    split: str
    points: tuple[FrontierPoint, ...]
    baseline: FrontierPoint
    winner: FrontierPoint | None
    less_y: bool = False
    has_hull: bool = True

    def hull(self) -> list[FrontierPoint]:
        """The points, baseline included, that no other beats in both metrics, by rising x."""
        if not self.has_hull:
            return []
        sign = -1.0 if self.less_y else 1.0
        hull: list[FrontierPoint] = []
        for point in sorted([*self.points, self.baseline], key=lambda p: (-p.x, -sign * p.y)):
            if not hull or sign * point.y > sign * hull[-1].y:
                hull.append(point)
        return hull[::-1]


def draw_frontier(axes: Axes, frontier: Frontier) -> None:
    axes.set_title("Beside what learning rate and length alone reach")
    axes.set_xlabel(f"{frontier.x_name} ({frontier.split} split)")
    less = ", less is better" if frontier.less_y else ""
    axes.set_ylabel(f"{frontier.y_name} ({frontier.split} split{less})")
    everything = [*frontier.points, frontier.baseline, *([frontier.winner] if frontier.winner else [])]
    left, right = _edges([(point.x, point.x_error) for point in everything])
    bottom, top = _edges([(point.y, point.y_error) for point in everything])
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    entries = []
    hull = frontier.hull()
    if hull:
        corner = top if frontier.less_y else bottom
        xs = [left, *(point.x for point in hull), hull[-1].x]
        ys = [hull[0].y, *(point.y for point in hull), corner]
        axes.fill_between(xs[:-1], ys[:-1], corner, color="#F3F3F3", linewidth=0, zorder=0)
        axes.plot(xs, ys, color=_GREY, linewidth=1.2, linestyle="--", zorder=1)
        entries.append(_entry("edge of what they reach", _GREY, "", 0.0))
    for point in frontier.points:
        _draw(axes, point, _GREY, "o", 5.0)
    _draw(axes, frontier.baseline, INK, "s", 7.0)
    entries.append(_entry("baseline", INK, "s", 7.0))
    if frontier.winner is not None:
        _draw(axes, frontier.winner, KEPT, "*", 14.0)
        entries.append(_entry(frontier.winner.label, KEPT, "*", 11.0))
    _number(axes, frontier.points, everything, (left, right), (bottom, top))
    entries += [_entry(f"{n}  {p.label}", _GREY, "o", 5.0) for n, p in enumerate(frontier.points, start=1)]
    axes.grid(color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    legend_below(axes, entries)


def _edges(values: Sequence[tuple[float, float | None]]) -> tuple[float, float]:
    low = min(value - (error or 0.0) for value, error in values)
    high = max(value + (error or 0.0) for value, error in values)
    room = 0.08 * (high - low) or 0.01
    return low - room, high + room


def _draw(axes: Axes, point: FrontierPoint, colour: str, marker: str, size: float) -> None:
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


def _number(
    axes: Axes,
    points: Sequence[FrontierPoint],
    everything: Sequence[FrontierPoint],
    across: tuple[float, float],
    up: tuple[float, float],
) -> None:
    """Number the points, each beside it where it is farthest from other points, numbers and error bars."""

    def placed(x: float, y: float) -> tuple[float, float]:
        return (
            (x - across[0]) / (across[1] - across[0]) * _PANEL[0],
            (y - up[0]) / (up[1] - up[0]) * _PANEL[1],
        )

    taken = [spot for point in everything for spot in _spots(point, placed)]
    for number, point in enumerate(points, start=1):
        x, y = placed(point.x, point.y)
        offset = max(_AROUND, key=lambda o: min(_distance((x + o[0], y + o[1]), spot) for spot in taken))
        taken.append((x + offset[0], y + offset[1]))
        axes.annotate(
            str(number),
            (point.x, point.y),
            xytext=offset,
            textcoords="offset points",
            ha="center",
            va="center",
            color=INK,
            fontsize=8.5,
            zorder=4,
        )


def _spots(
    point: FrontierPoint, placed: Callable[[float, float], tuple[float, float]]
) -> list[tuple[float, float]]:
    """Where a point and its error bars are."""
    steps = [step / 4 for step in range(-4, 5)]
    level = [placed(point.x + step * (point.x_error or 0.0), point.y) for step in steps]
    upright = [placed(point.x, point.y + step * (point.y_error or 0.0)) for step in steps]
    return level + upright


def _distance(one: tuple[float, float], other: tuple[float, float]) -> float:
    return float(((one[0] - other[0]) ** 2 + (one[1] - other[1]) ** 2) ** 0.5)


def _entry(label: str, colour: str, marker: str, size: float) -> Line2D:
    from matplotlib.lines import Line2D

    return Line2D(
        [],
        [],
        color=colour,
        marker=marker or None,
        markersize=size,
        linestyle="none" if marker else "--",
        label=label,
    )
