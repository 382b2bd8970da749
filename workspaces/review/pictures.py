"""How every picture looks, and how it is saved.

Owns colours, the style and the files; what is drawn is the caller's to say.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KEPT, INK, FAINT = "#009E73", "#222222", "#E6E6E6"
STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 9.0,
    "axes.edgecolor": "#999999",
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "text.color": INK,
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "szilard",
}


def legend_below(axes: Axes, entries: Sequence[Artist]) -> None:
    """A legend of two columns under a panel, clear of its axis label."""
    axes.legend(
        handles=list(entries),
        frameon=False,
        fontsize=8,
        loc="upper left",
        bbox_to_anchor=(0.0, -0.14),
        ncols=2,
        borderaxespad=0.0,
    )


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
