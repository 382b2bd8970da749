"""The picture of a comparison: entropy against reward through training, one panel a control.

Owns drawing; which figures are drawn, and which law was fitted, is the caller's to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workspaces.review.pictures import STYLE, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = 6
_NONE, _CONTROL, _LAW = "#9A9A9A", "#0072B2", "#D55E00"


@dataclass(frozen=True)
class Path2D:
    """Entropy (nats a token) and reward through a training, in order."""

    entropy: Sequence[float]
    reward: Sequence[float]


@dataclass(frozen=True)
class Panel:
    """One control. `law` is the fitted curve from the largest entropy to 0, None where it does not apply;
    its last reward is the ceiling."""

    title: str
    trajectory: Path2D
    law: Path2D | None
    note: str


def draw_trajectories(title: str, none: Path2D | None, panels: Sequence[Panel], path: Path) -> list[Path]:
    """Draw `path` with the suffixes .svg and .png, and return both paths.

    Raises:
        OSError: the pictures cannot be written.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    columns = min(_COLUMNS, max(len(panels), 1))
    lines = -(-len(panels) // columns)
    with mpl.rc_context(STYLE):
        picture = Figure(figsize=(2.35 * columns, 2.15 * lines + 0.75), layout="constrained")
        grid = picture.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
        picture.suptitle(title, x=0.01, ha="left", fontsize=9.0, color="#555555")
        for axes, panel in zip(grid.flat, panels, strict=False):
            _draw(axes, none, panel)
        for axes in list(grid.flat)[len(panels) :]:
            axes.set_axis_off()
        _frame(grid[0][0], [*((none,) if none else ()), *(panel.trajectory for panel in panels)])
        picture.supxlabel(
            "mean token entropy of the rollouts, nats (training goes to the left)", fontsize=9.0
        )
        picture.supylabel("training reward", fontsize=9.0)
        return save(picture, path, dots_per_inch=130)


def _draw(axes: Axes, none: Path2D | None, panel: Panel) -> None:
    axes.set_title(panel.title, fontsize=7.5)
    if none is not None:
        axes.plot(none.entropy, none.reward, color=_NONE, linewidth=1.0, zorder=1)
    if panel.law is not None:
        axes.plot(panel.law.entropy, panel.law.reward, color=_LAW, linewidth=1.0, linestyle="--", zorder=2)
        axes.plot([0.0], [panel.law.reward[-1]], marker="_", markersize=9, color=_LAW, zorder=2)
    axes.plot(panel.trajectory.entropy, panel.trajectory.reward, color=_CONTROL, linewidth=1.3, zorder=3)
    if panel.trajectory.entropy:
        axes.plot(
            panel.trajectory.entropy[-1],
            panel.trajectory.reward[-1],
            "o",
            markersize=4,
            color=_CONTROL,
            zorder=4,
        )
    axes.text(
        0.97, 0.96, panel.note, transform=axes.transAxes, ha="right", va="top", fontsize=6.5, color="#555555"
    )


def _frame(axes: Axes, drawn: Sequence[Path2D]) -> None:
    """The window that holds every trajectory from entropy 0; a law may leave it."""
    entropies = [value for one in drawn for value in one.entropy] or [1.0]
    rewards = [value for one in drawn for value in one.reward] or [0.0, 1.0]
    room = max(rewards) - min(rewards) or 1.0
    axes.set_xlim(0.0, 1.06 * max(entropies))
    axes.set_ylim(min(rewards) - 0.08 * room, max(rewards) + 0.35 * room)
