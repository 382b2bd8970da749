"""The picture of researchers side by side: what each had reached after so much training.

Owns drawing; which figures are drawn is the caller's to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from workspaces.review.pictures import FAINT, STYLE, legend_below, save

_COLOURS = ("#9A9A9A", "#0072B2", "#009E73", "#D55E00", "#CC79A7")


@dataclass(frozen=True)
class AnytimeCurve:
    """One researcher: the mean over its runs at each second, and the interval of that, None from one run."""

    label: str
    seconds: Sequence[float]
    mean: Sequence[float]
    low: Sequence[float] | None
    high: Sequence[float] | None


def draw_anytime(curves: Sequence[AnytimeCurve], metric: str, path: Path) -> list[Path]:
    """Draw `path` with the suffixes .svg and .png, and return both paths.

    Raises:
        OSError: the pictures cannot be written.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        picture = Figure(figsize=(6.4, 4.2), layout="constrained")
        axes = picture.subplots()
        axes.axhline(0.0, color=FAINT, linewidth=1.0, zorder=0)
        entries = []
        for index, curve in enumerate(curves):
            colour = _COLOURS[index % len(_COLOURS)]
            if curve.low is not None and curve.high is not None:
                axes.fill_between(
                    curve.seconds, curve.low, curve.high, step="post", color=colour, alpha=0.15, linewidth=0
                )
            (line,) = axes.step(
                curve.seconds, curve.mean, where="post", color=colour, linewidth=1.5, label=curve.label
            )
            entries.append(line)
        axes.set_title("What each researcher had kept; bands: 95% of the mean over seeds")
        axes.set_xlabel("training seconds of the attempts", loc="right")
        axes.set_ylabel(f"gain of the incumbent in {metric}")
        legend_below(axes, entries)
        return save(picture, path, dots_per_inch=130)
