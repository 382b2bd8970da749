"""A comparison as files that can be cited: results.csv, trajectories.csv, table.md, picture.

Owns columns and words; every figure in them was decided in `comparison`.
"""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from agent.studies.comparison import ArmResult, Comparison, EntropyShift, Interval
from agent.trace import TraceRow
from evaluators.entropy_law import LawFit, fit_entropy_law, reasons_to_doubt
from workspaces.review.trajectories import Panel, Path2D, draw_trajectories

CSV_COLUMNS = (
    "control", "setting", "kind", "learning_rate", "seeds", "score", "score_error", "change", "low", "high",
    "corrected_low", "corrected_high", "guard", "guard_change", "guard_bound", "guard_holds", "frontier",
    "pass_at_1", "pass_at_16", "entropy_start", "entropy_end", "entropy_change", "entropy_low",
    "entropy_high", "reward_end", "clip_fraction", "touched_share", "tokens", "cpu_seconds", "law_a", "law_b",
    "law_r_squared", "law_ceiling", "random_reward_entropy_change", "random_reward_low",
    "random_reward_high", "failure",
)  # fmt: skip


def write_comparison(comparison: Comparison, directory: Path, command: str) -> list[Path]:
    """Write everything into `directory` and return the paths. Raises OSError."""
    written = [
        write_text(
            directory / "results.csv",
            csv_text(CSV_COLUMNS, [_row(comparison, r) for r in comparison.results]),
        ),
        write_text(directory / "trajectories.csv", _trajectories(comparison.results)),
        write_text(directory / "table.md", markdown(comparison, command)),
    ]
    none, *others = comparison.results
    panels = [_panel(result) for result in (none, *others) if result.trajectory]
    title = (
        "Grey: none. Blue: the control, its end a dot. "
        "Dashed: R = -a exp(H) + b, where it applies; its ceiling at 0."
    )
    return [*written, *draw_trajectories(title, _path(none.trajectory), panels, directory / "trajectories")]


def markdown(comparison: Comparison, command: str) -> str:
    """The tables of a comparison, published and adapted settings apart."""
    metric, start = comparison.metric, comparison.start
    none = comparison.results[0]
    begun = ", ".join(
        f"{name} {start.metrics[name].value:.4f}"
        for name in dict.fromkeys((metric, "pass_at_1", "pass_at_16"))
        if name in start.metrics
    )
    lines = [
        f"`{command}`", "",
        f"Untrained start: {begun}, entropy {_figure(_entropy_start(comparison), 3)} nats a token.",
        f"None at its best learning rate, {rate_shown(none.rate, none.edge)}: {metric} "
        f"{_figure(none.scores.get(metric), 4)} ± {_figure(none.score_error, 4)}, "
        f"entropy {_figure(none.entropy_end, 3)}.",
        "",
    ]  # fmt: skip
    lacking = [f"{r.arm.label} ({r.failure})" for r in comparison.results if r.failure is not None]
    if lacking:
        lines += [f"**Not complete**: {'; '.join(lacking)}. The same command tries again.", ""]
    for setting, title in (("published", "Published settings"), ("adapted", "Adapted to small minibatches")):
        rows = [result for result in comparison.results if result.arm.setting == setting]
        if rows:
            lines += [f"### {title}", "", *_table(comparison, rows), ""]
    lines += [
        "Brackets are 95% intervals for one control alone, of scores over paired seeds and tasks, of "
        "entropies over paired seeds; corrected: for all controls together, as are the place against the "
        "frontier and the star of an entropy that moved. None is at the same learning rate, so that a "
        "difference is the control's; whether it beats none at every rate is said under frontier. Edge: the "
        "best learning rate is the least or the largest tried, so a better one may lie beyond.",
        "",
    ]
    lines += ["### The frontier of learning rate and length", "", *_frontier(comparison), ""]
    if comparison.not_reached:
        names = ", ".join(arm.label for arm in comparison.not_reached)
        lines += [
            f"Not reached in the time given: {names}. The same command with more --minutes goes on.",
            "",
        ]
    return "\n".join(lines)


def rate_shown(rate: float, edge: bool) -> str:
    return f"{rate:.3g}{' (edge)' if edge else ''}"


def law_of(trajectory: Sequence[TraceRow]) -> LawFit | None:
    """The law of the training reward; None where the fit is refused or says nothing."""
    try:
        fit = fit_entropy_law([row.entropy for row in trajectory], [row.reward for row in trajectory])
    except ValueError:
        return None
    return None if reasons_to_doubt(fit) else fit


def _table(comparison: Comparison, rows: Iterable[ArmResult]) -> list[str]:
    header = (
        "control", "rate", comparison.metric, "change to none at this rate", "corrected", "frontier", "guard",
        "entropy", "entropy to none", "random rewards", "touched", "clipped", "tokens", "CPU s",
    )  # fmt: skip
    lines = [cells(header), cells(["---"] * len(header))]
    for result in sorted(rows, key=lambda r: -(r.difference.change if r.difference else -math.inf)):
        if not result.scores:
            lines.append(
                cells([result.arm.label, f"not measured: {result.failure}", *[""] * (len(header) - 2)])
            )
            continue
        lines.append(
            cells(
                [
                    result.arm.label,
                    rate_shown(result.rate, result.edge),
                    _figure(result.scores.get(comparison.metric), 4),
                    _span(result.difference, wide=False),
                    _span(result.difference, wide=True),
                    {True: "above", False: "not above", None: "not told apart"}[result.above],
                    "-" if result.guard is None else ("holds" if result.guard.holds else "NOT SHOWN"),
                    _figure(result.entropy_end, 3),
                    _shift(result.shift),
                    _shift(result.random_shift),
                    _share(result.touched),
                    _percent(result.clip_fraction),
                    _figure(result.tokens, 0),
                    _figure(result.seconds, 1),
                ]
            )
        )  # fmt: skip
    return lines


def _frontier(comparison: Comparison) -> list[str]:
    names = [name for name in dict.fromkeys((comparison.metric, "pass_at_1", "pass_at_16", "entropy"))
             if all(name in means for means in comparison.frontier.values())]  # fmt: skip
    lines = [cells(["none at", *names]), cells(["---"] * (len(names) + 1))]
    for label, means in comparison.frontier.items():
        lines.append(cells([label.removeprefix("none, "), *(_figure(means.get(name), 4) for name in names)]))
    return lines


def _row(comparison: Comparison, result: ArmResult) -> list[object]:
    gain, guard, law = result.difference, result.guard, law_of(result.trajectory)
    shift, placebo = result.shift, result.random_shift
    return [
        result.arm.label, result.arm.setting, result.arm.kind, result.rate, result.seeds,
        result.scores.get(comparison.metric), result.score_error,
        *((gain.change, gain.low, gain.high, *gain.wide) if gain else [None] * 5),
        *((guard.metric, guard.change, guard.lower_bound, guard.holds) if guard else [None] * 4),
        result.place, result.scores.get("pass_at_1"), result.scores.get("pass_at_16"),
        _entropy_start(comparison), result.entropy_end,
        *((shift.change, shift.low, shift.high) if shift else [None] * 3),
        result.reward_end, result.clip_fraction, result.touched, result.tokens, result.seconds,
        *((law.a, law.b, law.r_squared, law.ceiling) if law else [None] * 4),
        *((placebo.change, placebo.low, placebo.high) if placebo else [None] * 3), result.failure,
    ]  # fmt: skip


def _trajectories(results: Sequence[ArmResult]) -> str:
    rows = [
        [result.arm.label, row.step, row.entropy, row.reward, row.clip_fraction]
        for result in results
        for row in result.trajectory
    ]
    return csv_text(("control", "step", "entropy", "reward", "clip_fraction"), rows)


def _panel(result: ArmResult) -> Panel:
    law, path = law_of(result.trajectory), _path(result.trajectory)
    curve = None
    if law is not None:
        at = np.linspace(max(path.entropy), 0.0, 40)
        curve = Path2D(at.tolist(), law.reward_at(at).tolist())
    note = "" if law is None else f"R² {law.r_squared:.2f}, ceiling {law.ceiling:.2f}"
    return Panel(result.arm.label, path, curve, note)


def _path(trajectory: Sequence[TraceRow]) -> Path2D:
    return Path2D([row.entropy for row in trajectory], [row.reward for row in trajectory])


def _entropy_start(comparison: Comparison) -> float | None:
    found = comparison.start.metrics.get("entropy")
    return None if found is None else found.value


def _span(difference: Interval | None, *, wide: bool) -> str:
    if difference is None:
        return "-"
    if wide:
        return f"[{difference.wide[0]:+.4f}, {difference.wide[1]:+.4f}]"
    return f"{difference.change:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}]"


def _shift(shift: EntropyShift | None) -> str:
    if shift is None:
        return "-"
    return f"{shift.change:+.3f} [{shift.low:+.3f}, {shift.high:+.3f}]{' *' if shift.moved else ''}"


def _share(share: float | None) -> str:
    if share is None:
        return "-"
    return "none: inert" if share == 0 else _percent(share)


def _percent(share: float | None) -> str:
    if share is None:
        return "-"
    return f"{100 * share:.0f}%" if share >= 0.1 else f"{100 * share:.2g}%"


def _figure(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def cells(row: Iterable[object]) -> str:
    """A row of a Markdown table."""
    return "| " + " | ".join(str(cell).replace("|", "/") for cell in row) + " |"


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table as CSV; None is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(["" if cell is None else cell for cell in row] for row in rows)
    return text.getvalue()


def write_text(path: Path, text: str) -> Path:
    """Write under a temporary name and rename. Raises OSError."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text)
    os.replace(temporary, path)
    return path
