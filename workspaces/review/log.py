"""`szilard log`: every attempt of a run, one a line.

Owns the table and its data; figures come from the result commits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workspaces.attempts import AttemptRecord
from workspaces.plain_text import one_line
from workspaces.review import stretches
from workspaces.review.entropy import inert_controls, sentence
from workspaces.review.record import RunRecord, figures
from workspaces.review.tables import Cell, print_table
from workspaces.review.text import (
    SELF_REPORTED,
    WITHOUT_SANDBOX,
    console,
    duration,
    figure,
    seed_count,
    signed,
    span,
)

STYLES = {
    "kept": "bold green",
    "inconclusive": "yellow",
    "crashed": "red",
    "void": "magenta",
    "stopped-early": "cyan",
    "refused": "dim",
}

_FIGURES = ("verdict", "change", "95% interval", "score", "entropy", "seeds", "trained")
_WIDE_ONLY = ("on", "95% interval", "score", "seeds", "trained")
_WIDE = 140
LEGEND = {
    "on": "the attempt that this one builds on, 0 the baseline",
    "change": "against the incumbent of the time, paired by seed; of the screening seed alone it has no "
    "interval, and is half against the incumbent's same seed, half against the mean of its screening seeds",
    "score": "mean of the evidence seeds ± its standard error over tasks",
    "entropy": "of the policy that was scored, nats a token",
    "seeds": "screening + evidence, of which only evidence can keep an attempt",
    "trained": "training alone, all seeds together",
}


def row(attempt: AttemptRecord) -> dict[str, Any]:
    """One attempt as plain data; a figure is None where the attempt never got that far."""
    found = figures(attempt)
    return {
        "attempt": attempt.number,
        "parent": attempt.parent,
        "researcher": attempt.researcher,
        "hypothesis": attempt.hypothesis,
        "verdict": attempt.verdict,
        "reason": attempt.reason,
        "score": found.score,
        "standard_error": found.standard_error,
        "change": found.change,
        "interval": found.interval,
        "entropy_start": found.entropy_start,
        "entropy": found.entropy,
        "seeds": found.seeds,
        "seconds": found.seconds,
        "stretch": int(attempt.trailers.get("Stretch", "1")),
        "diagnosis": sentence(None, attempt.trailers),
        "inert": inert_controls(attempt),
        "predicted_score_change": attempt.predicted_score_change,
        "predicted_entropy": attempt.predicted_entropy,
        "code_commit": attempt.code_commit,
        "result_commit": attempt.result_commit,
    }


def rows(run: RunRecord) -> list[dict[str, Any]]:
    """All attempts as plain data, in order."""
    return [row(attempt) for attempt in run.attempts if attempt.number > 0]


def print_log(run: RunRecord) -> None:
    """All attempts for a person."""
    out = console()
    if not any(attempt.number > 0 for attempt in run.attempts):
        out.print(f"{run.settings['name']} has no attempts yet.")
        return
    wide = out.width >= _WIDE
    figured = [name for name in _FIGURES if name != "entropy" or run.settings.get("trains_policy", True)]
    shown = ["#", *(name for name in ("on", *figured) if wide or name not in _WIDE_ONLY), "hypothesis"]
    cells = [_cells(attempt) for attempt in run.attempts if attempt.number > 0]
    print_table(out, shown, [[line[name] for name in shown] for line in cells])
    hidden = "" if wide else f" A terminal of {_WIDE} columns shows {', '.join(_WIDE_ONLY)} too."
    out.print(legend(shown) + hidden, style="dim")
    if run.settings["sandbox"] == "none":
        out.print(WITHOUT_SANDBOX, style="bold red")
    if run.settings.get("self_reported"):
        out.print(SELF_REPORTED, style="bold red")
    extended = stretches.told(run)
    if extended is not None:
        out.print(f"The run was extended {extended}. {stretches.caveat(run)}", soft_wrap=True)


def legend(columns: Sequence[str]) -> str:
    """What the columns of a table of attempts mean, in one line."""
    return "; ".join(f"{name}: {LEGEND[name]}" for name in columns if name in LEGEND) + "."


def _cells(attempt: AttemptRecord) -> dict[str, Cell]:
    found = figures(attempt)
    verdict = attempt.verdict or "in flight"
    return {
        "#": Cell(str(attempt.number)),
        "on": Cell(str(attempt.parent)),
        "verdict": Cell(
            f"{verdict}, inert" if inert_controls(attempt) else verdict, style=STYLES.get(verdict, "")
        ),
        "change": Cell(signed(found.change)),
        "95% interval": Cell(span(found.interval)),
        "score": Cell(figure(found.score, found.standard_error, found.change)),
        "entropy": Cell("-" if found.entropy is None else f"{found.entropy:.3f}"),
        "seeds": Cell(seed_count(found.seeds)),
        "trained": Cell(duration(found.seconds)),
        "hypothesis": Cell(one_line(attempt.hypothesis)),
    }
