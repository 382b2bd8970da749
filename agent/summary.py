"""The one honest paragraph that a run ends with.

Owns its words; every figure in it was decided elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from agent.settings import RunSettings
from workspaces.ledger import Ledger
from workspaces.review.spent import told
from workspaces.review.text import signed, span, times
from workspaces.spending import read_spent


@dataclass(frozen=True)
class RunSummary:
    """What a run found; None is a figure that does not exist."""

    directory: Path
    attempts: int
    verdicts: Mapping[str, int]
    winner: int | None
    confirmed: bool | None
    change: float | None
    interval: tuple[float, float] | None
    above_frontier: bool | None
    paragraph: str
    next_command: str


def summarise(
    directory: Path,
    settings: RunSettings,
    ledger: Ledger,
    confirmation: Mapping[str, Any],
    ablation: str | None = None,
) -> RunSummary:
    """Put a finished run into words; `ablation` is what came of leaving changes out, None if none was."""
    records = ledger.attempts()
    verdicts = Counter(record.verdict or "unfinished" for record in records)
    winner = confirmation["winner"]["attempt"] if confirmation["winner"] else None
    counted = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common())
    opening = f"{len(records)} attempt{'' if len(records) == 1 else 's'}: {counted}."
    if not records:
        paragraph = (
            "No attempt was made, so nothing was found: the minutes held no more than baseline and frontier. "
            "Give a run more --minutes or fewer --seeds."
        )
        following = f"szilard status {directory}"
    elif winner is None:
        unopened = "; the sealed tasks were not opened" if settings.trains_policy else ""
        paragraph = (
            f"{opening} Nothing was worth keeping: no edit improved {settings.metric} beyond seed noise "
            f"within {settings.seeds} evidence seeds. That is a result{unopened}."
        )
        following = f"szilard log {directory}"
    else:
        untested = f"Which of its changes carried the gain is not tested: szilard ablate {directory}."
        paragraph = f"{opening} {_finding(winner, settings, confirmation)} {ablation or untested}"
        following = f"szilard diff {directory} 0 {winner}"
    if settings.extensions:
        ends = " and ".join(str(one.after) for one in settings.extensions)
        paragraph += (
            f" The run was extended {times(len(settings.extensions))}, after attempt {ends}, when an earlier "
            f"result had been seen: its alpha of {settings.alpha:g} holds for all attempts together, "
            "each confirmation for itself."
        )
        if "stands" in confirmation:
            paragraph += " Nothing better was kept since, so that confirmation stands."
    if settings.self_reported:
        paragraph += f" {settings.metric} is self-reported: the code under research prints it about itself."
    if settings.sandbox == "none":
        paragraph += " NOTHING ISOLATED THE CODE UNDER RESEARCH (--sandbox none)."
    spent = read_spent(directory, settings.price)
    paragraph += f" It took {told(settings.model_dump(exclude={'secret'}), len(records), spent)}."
    interval = confirmation["interval"]
    return RunSummary(
        directory=directory,
        attempts=len(records),
        verdicts=dict(verdicts),
        winner=winner,
        confirmed=confirmation["confirmed"],
        change=confirmation["change"],
        interval=(interval[0], interval[1]) if interval else None,
        above_frontier=confirmation["above_frontier"],
        paragraph=paragraph,
        next_command=following,
    )


def _finding(winner: int, settings: RunSettings, confirmation: Mapping[str, Any]) -> str:
    if confirmation["change"] is None:
        return f"Attempt {winner} won, but {confirmation['reason']}."
    metric = settings.metric
    means = [
        fmean(row["metrics"][metric] for row in confirmation[arm]["seeds"]) for arm in ("baseline", "winner")
    ]
    verdict = "It is confirmed" if confirmation["confirmed"] else "It is NOT confirmed"
    optimism = ""
    if confirmation["selection_change"] is not None:
        optimism = f" Selection had seen {signed(confirmation['selection_change'])}."
    return (
        f"Attempt {winner} won ({confirmation['hypothesis']}). {verdict}: on {settings.confirmed_on} "
        f"{metric} goes from {means[0]:.4f} to {means[1]:.4f}, a change of "
        f"{signed(confirmation['change'])} (95% interval {span(confirmation['interval'])})"
        f"{_ends(confirmation['metrics'])}.{optimism} {_place(confirmation)}"
    )


def _ends(metrics: Mapping[str, Any]) -> str:
    """The changes of pass@k at the least and the largest k, where a domain has them."""
    names = [name for name in metrics if name.startswith("pass_at_")]
    told = [f"{name} {signed(metrics[name]['change'])} {span(metrics[name]['interval'])}" for name in names]
    return f"; {told[0]}, {told[-1]}" if len(told) > 1 else ""


def _place(confirmation: Mapping[str, Any]) -> str:
    """Where the winner lies beside the frontier; over the baseline its lead is the change itself."""
    if confirmation["above_frontier"] and confirmation["frontier_best"] == "baseline":
        return "It is above every point of the frontier, of which the baseline comes closest."
    return f"It is {confirmation['frontier_reason']}."
