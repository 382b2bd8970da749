"""An assessment for a person: a table, a page in Markdown, and one picture.

Owns how it looks; it measures nothing.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from environments.suitability import Probe
from workspaces.plain_text import markdown
from workspaces.review.pictures import FAINT, INK, KEPT, STYLE, save
from workspaces.review.text import duration, markdown_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from agent.assess.record import Record

PAGE_FILE = "assessment.md"
PICTURE_FILE = "assessment.svg"
COLOURS = {
    "passed": KEPT,
    "reported": "#0072B2",
    "advice": "#56B4E9",
    "conditional": "#E69F00",
    "unsuitable": "#D55E00",
    "not measured": "#999999",
}
_LONGEST_IN_PICTURE = 96


def verdict_sentence(record: Record) -> str:
    return f"{record.domain} is {record.assessment.outcome.upper()}. {record.assessment.reason}"


def left_out_sentence(record: Record) -> str:
    """Which probes were not reached or are of the full form only; empty if none."""
    if not record.left_out:
        return ""
    names = ", ".join(record.left_out)
    if record.assessment.outcome == "unsuitable":
        return f"Not reached, since {record.assessment.deciding} decides: {names}."
    return f"Only in the full form: {names}."


def write_report(record: Record, folder: Path) -> list[Path]:
    """Write the page and its picture, each under a temporary name first. Raises OSError."""
    page = folder / PAGE_FILE
    temporary = folder / f".{PAGE_FILE}.tmp"
    temporary.write_text(page_of(record), encoding="utf-8")
    os.replace(temporary, page)
    return [page, *draw(record, folder / PICTURE_FILE)]


def page_of(record: Record) -> str:
    """The assessment as Markdown."""
    rows = [
        (probe.id, probe.name, f"**{probe.verdict}**", markdown(probe.finding), markdown(probe.threshold))
        for probe in record.assessment.probes
    ]
    effect = "a tenth of what training gains" if record.effect is None else f"{record.effect:g}"
    asked = (
        f"{record.form.capitalize()} form, {record.created[:10]}: {record.trainings} trainings, "
        f"{duration(record.seconds)}. Metric {record.metric}, seed {record.seed}, a research of "
        f"{record.hours:g} h, smallest effect of interest: {effect} (or what the domain names)."
    )
    sections = [
        f"# Assessment of {markdown(record.domain)}",
        f"**{markdown(verdict_sentence(record))}**",
        asked,
        f"![Probes and entropy]({PICTURE_FILE})",
        markdown_table(("", "probe", "verdict", "measured", "threshold"), rows),
        left_out_sentence(record),
        _regimes(record),
        _mending(record.assessment.probes),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def draw(record: Record, path: Path) -> list[Path]:
    """Draw the probes with their verdicts, and score over entropy where it was measured. Raises OSError."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    panels = 2 if record.regime_points else 1
    height = 1.6 + 0.34 * len(record.assessment.probes)
    with mpl.rc_context(STYLE):
        picture = Figure(figsize=(9.5 + 4.5 * (panels - 1), height), layout="constrained")
        ratios = {"width_ratios": [9.5, 4.5]} if panels == 2 else None
        axes = picture.subplots(1, panels, squeeze=False, gridspec_kw=ratios)[0]
        title = f"{record.domain} is {record.assessment.outcome} ({record.form} form, {record.created[:10]})"
        picture.suptitle(title, x=0.01, ha="left", fontsize=11.0, fontweight="bold")
        _draw_probes(axes[0], record.assessment.probes)
        if panels == 2:
            _draw_regime(axes[1], record)
        return save(picture, path, dots_per_inch=160)


def _draw_probes(axes: Axes, probes: Sequence[Probe]) -> None:
    for row, probe in enumerate(probes):
        axes.scatter([0.0], [row], s=90, color=COLOURS[probe.verdict], clip_on=False)
        axes.text(0.02, row, f"{probe.id}  {probe.name}", va="center", fontweight="bold", fontsize=8.5)
        axes.text(0.29, row, probe.verdict, va="center", color=COLOURS[probe.verdict], fontsize=8.5)
        told = probe.finding
        if len(told) > _LONGEST_IN_PICTURE:
            told = told[: _LONGEST_IN_PICTURE - 1] + "…"
        axes.text(0.40, row, told, va="center", color=INK, fontsize=7.0)
    axes.set_xlim(-0.02, 1.0)
    axes.set_ylim(len(probes) - 0.4, -0.6)
    axes.set_axis_off()


def _draw_regime(axes: Axes, record: Record) -> None:
    levers = list(dict.fromkeys(lever for lever, _, _ in record.regime_points))
    temperature = all(lever.startswith("T ") for lever in levers)
    for index, lever in enumerate(levers):
        points = [point for point in record.regime_points if point[0] == lever]
        axes.scatter(
            [entropy for _, entropy, _ in points],
            [scores[record.metric] for _, _, scores in points],
            s=22,
            label=None if temperature else lever,
            color=INK if temperature else ("#0072B2", "#D55E00", KEPT)[index % 3],
        )
    axes.grid(color=FAINT)
    axes.set_axisbelow(True)
    axes.set_xlabel("entropy, nats a token" + (" (temperature .3 to 1.5)" if temperature else ""))
    axes.set_ylabel(record.metric)
    axes.set_title("Score over entropy")
    if not temperature:
        axes.legend(frameon=False, fontsize=8)


def _regimes(record: Record) -> str:
    rows = [(name, f"**{read['regime']}**", read["reason"]) for name, read in record.regimes.items()]
    if not rows:
        return ""
    return "## Entropy regime by metric\n\n" + markdown_table(("metric", "regime", "figures"), rows)


def _mending(probes: Sequence[Probe]) -> str:
    lines = [
        f"- {probe.id}, {probe.name}: {probe.consequence}. To mend it: {probe.remedy}."
        for probe in probes
        if probe.remedy
    ]
    return "\n".join(["## What would mend it", "", *lines]) if lines else ""
