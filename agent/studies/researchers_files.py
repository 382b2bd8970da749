"""A comparison of researchers as files that can be cited: runs.csv, curves.csv, table.md, picture.

Owns columns and words; every figure in them was decided in `researchers`.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

from agent.studies.comparison_files import cells, csv_text, write_text
from agent.studies.researchers import Course, Difference, differences, horizon, interval_of
from workspaces.review.anytime import AnytimeCurve, draw_anytime
from workspaces.review.text import signed, span

POINTS = 200


def write_researchers(
    courses: Sequence[Course], metric: str, against: str, directory: Path, command: str
) -> list[Path]:
    """Write everything into `directory` and return the paths. Raises OSError."""
    until = horizon(courses)
    runs = [
        [
            c.researcher, c.seed, c.attempts, c.kept, round(c.seconds, 1), c.area(until), c.gain_at(until),
            *((c.confirmed[0], *c.confirmed[1]) if c.confirmed else (None, None, None)),
        ]
        for c in courses
    ]  # fmt: skip
    header = (
        "researcher", "seed", "attempts", "kept", "training_seconds", "area", "final_gain",
        "confirmed_change", "confirmed_low", "confirmed_high",
    )  # fmt: skip
    steps = [
        [c.researcher, c.seed, round(at, 1), gain] for c in courses for at, gain in [(0.0, 0.0), *c.steps]
    ]
    return [
        write_text(directory / "runs.csv", csv_text(header, runs)),
        write_text(
            directory / "curves.csv", csv_text(("researcher", "seed", "training_seconds", "gain"), steps)
        ),
        write_text(directory / "table.md", markdown(courses, metric, against, command)),
        *draw_anytime(
            [curve_of(mine, until) for mine in _by_researcher(courses)], metric, directory / "anytime"
        ),
    ]


def markdown(courses: Sequence[Course], metric: str, against: str, command: str) -> str:
    """The table, and what its columns mean."""
    until, found = horizon(courses), differences(courses, against)
    header = (
        "researcher", "runs", "attempts a run", "runs that kept", "area", f"area against {against}",
        "gain at the end", "confirmed",
    )  # fmt: skip
    lines = [f"`{command}`", "", cells(header), cells(["---"] * len(header))]
    for mine in _by_researcher(courses):
        name = mine[0].researcher
        confirmed = [course.confirmed[0] for course in mine if course.confirmed]
        lines.append(
            cells(
                [
                    name,
                    len(mine),
                    f"{statistics.fmean(course.attempts for course in mine):.1f}",
                    sum(course.kept > 0 for course in mine),
                    _mean([course.area(until) for course in mine]),
                    "-" if name == against else _difference(found.get(name)),
                    _mean([course.gain_at(until) for course in mine]),
                    ", ".join(map(signed, confirmed)) or "nothing kept",
                ]
            )
        )
    return "\n".join(
        [
            *lines,
            "",
            f"Area: the mean gain of the incumbent in {metric} over the baseline, over the first "
            f"{until:,.0f} training seconds of the attempts; where a run ended sooner its incumbent stays. "
            "Gains are those that selection saw, flattered by the choice; confirmed are the changes on "
            "sealed tasks, one for each run that kept something. Brackets are 95% t intervals over seeds; "
            f"against {against}: paired by seed.",
            "",
        ]
    )


def curve_of(courses: Sequence[Course], until: float) -> AnytimeCurve:
    """Mean and interval over the runs of one researcher, at `POINTS` seconds."""
    seconds = [until * point / POINTS for point in range(POINTS + 1)]
    gains = [[course.gain_at(second) for course in courses] for second in seconds]
    bounds = [bound for bound in map(interval_of, gains) if bound is not None]
    return AnytimeCurve(
        label=courses[0].researcher,
        seconds=seconds,
        mean=[statistics.fmean(one) for one in gains],
        low=[low for low, _ in bounds] or None,
        high=[high for _, high in bounds] or None,
    )


def _by_researcher(courses: Sequence[Course]) -> list[list[Course]]:
    names = dict.fromkeys(course.researcher for course in courses)
    return [[course for course in courses if course.researcher == name] for name in names]


def _mean(values: Sequence[float]) -> str:
    interval = interval_of(values)
    told = signed(statistics.fmean(values))
    return told if interval is None else f"{told} {span(interval)}"


def _difference(found: Difference | None) -> str:
    if found is None:
        return "-"
    return signed(found.change) + ("" if found.interval is None else f" {span(found.interval)}")
