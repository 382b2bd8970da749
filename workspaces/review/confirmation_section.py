"""What the report says of the winner: the sealed figures, its place beside the frontier, and what carried it.

Owns two sections of the report; every figure was decided elsewhere.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from typing import Any

from workspaces.plain_text import markdown
from workspaces.review.record import RunRecord, figures
from workspaces.review.run_picture import frontier_axes, mean_over_seeds
from workspaces.review.text import figure, markdown_table, signed, span, times

ABLATION_FILE = "ablation.json"


def section(run: RunRecord) -> str:
    confirmation = run.confirmation
    if confirmation is None:
        return "## Confirmation\n\nThe run ended before it; go on with `szilard resume`."
    if confirmation["winner"] is None:
        text = "Nothing was worth keeping, so there was no winner to confirm."
        return "\n\n".join(["## Confirmation", text, *_beside_frontier(run, confirmation)])
    opened, seal = confirmation["opened"], confirmation.get("seal", 1)
    others = f" and no confirmation before, of seal {seal}," if seal > 1 else ""
    standing = (
        f" Nothing better was kept after the run went on: this is the confirmation of its earlier end "
        f"(`{confirmation['stands']}`), and no further seal was broken."
        if "stands" in confirmation
        else ""
    )
    often = times(opened) + (", of which this is the last" if opened > 1 else "")
    what = (
        f"Winner and baseline were trained again on fresh seeds and scored on tasks that no attempt{others} "
        f"had touched before they were opened. The tasks of this seal were opened {often}.{standing}"
    )
    if not run.settings.get("trains_policy", True):
        what = (
            f"Winner and baseline were trained and scored again on {run.settings['confirmed_on']}, {often}."
        )
    lines = [
        what,
        "",
        markdown_table(
            ("", "change", "95% interval"),
            [
                (
                    "confirmed gain (report this one)",
                    signed(confirmation["change"]),
                    span(confirmation["interval"]),
                ),
                *_selection(run, confirmation),
            ],
        ),
    ]
    if confirmation["guards"]:
        guards = [
            (
                markdown(guard["metric"]),
                signed(guard["change"]),
                signed(guard.get("lower_bound")),
                f"{-guard['tolerance']:+g}",
                "holds" if guard["holds"] else "**BROKEN**",
            )
            for guard in confirmation["guards"]
        ]
        lines += ["", markdown_table(("guard", "change", "at worst", "allowed", ""), guards)]
    metrics = _metrics(confirmation) if run.settings.get("trains_policy", True) else ""
    if metrics:
        lines += ["", metrics]
    return "\n\n".join(["## Confirmation", "\n".join(lines), *_beside_frontier(run, confirmation)])


def _selection(run: RunRecord, confirmation: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What selection had seen of the winner, with its interval or, where several were kept, theirs."""
    steps = []
    number = confirmation["winner"]["attempt"]
    while number:
        found = figures(run.attempt(number))
        against = found.compared_with or 0
        name = f"attempt {number} against {f'attempt {against}' if against else 'the baseline'}"
        steps.append((f"selection: {name}", signed(found.change), span(found.interval)))
        number = against if against < number else 0
    gain = signed(confirmation["selection_change"])
    label = "gain on the selection split (flattered by the choice)"
    if len(steps) == 1 and steps[0][1] == gain:
        return [(label, gain, steps[0][2])]
    return [(label, gain, "of each step, below"), *reversed(steps)]


def _beside_frontier(run: RunRecord, confirmation: Mapping[str, Any]) -> list[str]:
    if not confirmation["baseline"]["seeds"]:
        return []
    if not run.settings.get("trains_policy", True):
        return [
            "### Winner and baseline",
            _arms(run, confirmation),
            "Means over seeds ± their standard error.",
        ]
    reason = markdown(confirmation["frontier_reason"] or "")
    what = "Means over seeds ± their standard error; entropy in nats a token."
    return ["### Beside the frontier", *([reason] if reason else []), _arms(run, confirmation), what]


def _arms(run: RunRecord, confirmation: Mapping[str, Any]) -> str:
    arms = [("**baseline**", confirmation["baseline"]["seeds"])]
    winner = confirmation["winner"]
    if winner is not None:
        arms.append((f"**winner: attempt {winner['attempt']}**", winner["seeds"]))
    arms += [(f"{markdown(point['label'])}", point["seeds"]) for point in confirmation["frontier"]]
    x_name, y_name = frontier_axes(run, confirmation)
    names = list(dict.fromkeys([confirmation["metric"], x_name, y_name]))
    rows = []
    for label, seeds in arms:
        cells = [label]
        for name in names:
            mean, error = mean_over_seeds(seeds, name)
            cells.append(figure(mean, error))
        entropies = [seed["entropy"] for seed in seeds if seed["entropy"] is not None]
        if run.settings.get("trains_policy", True):
            cells.append(figure(statistics.fmean(entropies)) if entropies else "-")
        rows.append((*cells, str(len(seeds)), _lead(confirmation, label)))
    entropy = ("entropy",) if run.settings.get("trains_policy", True) else ()
    header = ("", *(markdown(name) for name in names), *entropy, "seeds", "the winner's lead, paired")
    return markdown_table(header, rows)


def _lead(confirmation: Mapping[str, Any], label: str) -> str:
    """How far the winner lies over a point on the seeds that they share, which is what the claim rests on."""
    if label == "**baseline**" and confirmation["change"] is not None:
        return f"{signed(confirmation['change'])} {span(confirmation['interval'])}"
    for point in confirmation["frontier"]:
        if markdown(point["label"]) == label and point.get("lead") is not None:
            return f"{signed(point['lead'])} {span(point['lead_interval'])}"
    return "-"


def _metrics(confirmation: Mapping[str, Any]) -> str:
    """Every metric of winner and baseline on the sealed tasks; empty where an older run kept none."""
    rows = [
        (
            markdown(name),
            figure(row["baseline"]),
            figure(row["winner"]),
            signed(row["change"]),
            span(row["interval"]),
        )
        for name, row in (confirmation.get("metrics") or {}).items()
    ]
    return (
        markdown_table(("sealed tasks", "baseline", "winner", "change", "95% interval"), rows) if rows else ""
    )


def ablation(run: RunRecord) -> str:
    """The winner without each of its changes; empty where nothing was left out."""
    path = run.directory / ABLATION_FILE
    if not path.exists():
        return ""
    found = json.loads(path.read_text())
    if not found["parts"]:
        return ""
    rows = [
        (markdown(part["label"]), signed(part["change"]), span(part["interval"]), part["role"])
        for part in found["parts"]
    ]
    what = (
        f"Attempt {found['attempt']} against itself without one change at a time, on {len(found['seeds'])} "
        "seeds that no race had used and on the tasks of selection. *Carried*: the interval lies above nil; "
        "*not told apart*: a passenger, or too small to be seen with so few seeds."
    )
    header = ("what it adds", "change", "95% interval", "")
    return "\n\n".join(["## What carried the gain", what, markdown_table(header, rows)])
