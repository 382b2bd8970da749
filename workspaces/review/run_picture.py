"""The picture of a run: its attempts in order, and its winner beside the frontier.

Owns the choice of what is shown; the panels own how.
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workspaces.plain_text import one_line
from workspaces.review.attempts_panel import AttemptPoint, draw_attempts
from workspaces.review.claim import confirmation_sentence
from workspaces.review.frontier_panel import Frontier, FrontierPoint, draw_frontier
from workspaces.review.pictures import STYLE, save
from workspaces.review.record import RunRecord, figures

PICTURE_FILE = "picture.svg"


def draw(run: RunRecord) -> list[Path]:
    """Draw picture.svg and picture.png into the directory of a run and return their paths.

    Raises:
        OSError: the pictures cannot be written.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    frontier = _frontier(run)
    title = f"{run.settings['name']} · {run.settings['environment']} · {confirmation_sentence(run)}"
    with mpl.rc_context(STYLE):
        panels = 1 if frontier is None else 2
        picture = Figure(figsize=(5.8 * panels, 4.9), layout="constrained")
        picture.get_layout_engine().set(wspace=0.06)  # type: ignore[union-attr, call-arg]
        axes = picture.subplots(1, panels, squeeze=False)[0]
        picture.suptitle(one_line(title), x=0.01, ha="left", fontsize=9.0, color="#555555")
        draw_attempts(axes[0], run.settings["metric"], attempt_points(run), maximise=run.maximise)
        if frontier is not None:
            draw_frontier(axes[1], frontier)
        return save(picture, run.directory / PICTURE_FILE, dots_per_inch=160)


def frontier_axes(run: RunRecord, confirmation: Mapping[str, Any]) -> tuple[str, str]:
    """The two metrics that trade off: the first guard and its farthest relative (pass@1, pass@16)."""
    names = list(confirmation["baseline"]["seeds"][0]["metrics"])
    metric = confirmation["metric"]
    guarded = _guarded(run, names)
    if guarded is None:
        others = [name for name in names if name != metric]
        return (others[0] if others else metric), metric
    family = guarded.split("@")[0]
    relatives = {
        int(match.group(1)): name
        for name in names
        if (match := re.fullmatch(re.escape(family) + r"@(\d+)", name))
    }
    farthest = relatives[max(relatives)] if relatives else metric
    return guarded, farthest if farthest != guarded else metric


def mean_over_seeds(seeds: Sequence[Mapping[str, Any]], name: str) -> tuple[float, float | None]:
    """Mean of a metric over seeds and its standard error; None with one seed."""
    values = [seed["metrics"][name] for seed in seeds]
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None
    return statistics.fmean(values), error


def attempt_points(run: RunRecord) -> list[AttemptPoint]:
    """What is drawn of the attempts that were decided."""
    points = []
    for attempt in run.attempts:
        if attempt.verdict is not None and attempt.number > 0:
            found = figures(attempt)
            points.append(AttemptPoint(attempt.number, attempt.verdict, found.change, found.interval))
    return points


def _frontier(run: RunRecord) -> Frontier | None:
    confirmation = run.confirmation
    if confirmation is None or not confirmation["frontier"] or not confirmation["baseline"]["seeds"]:
        return None
    x_name, y_name = frontier_axes(run, confirmation)
    winner = confirmation["winner"]

    def point(label: str, seeds: Sequence[Mapping[str, Any]]) -> FrontierPoint:
        (x, x_error), (y, y_error) = (mean_over_seeds(seeds, name) for name in (x_name, y_name))
        return FrontierPoint(label, x, y, x_error, y_error)

    return Frontier(
        x_name=x_name,
        y_name=y_name,
        split=confirmation["split"],
        points=tuple(
            point(one_line(other["label"]), other["seeds"])
            for other in confirmation["frontier"]
            if other["seeds"]
        ),
        baseline=point("baseline", confirmation["baseline"]["seeds"]),
        winner=None if winner is None else point(f"winner: attempt {winner['attempt']}", winner["seeds"]),
        less_y=y_name == run.settings["metric"] and not run.maximise,
        has_hull=_guarded(run, [x_name]) is not None,
    )


def _guarded(run: RunRecord, names: Sequence[str]) -> str | None:
    """The first guard among these metrics."""
    guards = (guard["metric"] for guard in run.settings["guards"])
    return next((name for name in guards if name in names), None)
