"""`szilard status`: where runs stand, in figures.

Owns the summary of one run and the list of many; reading them belongs to `record`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workspaces.plain_text import clean, one_line
from workspaces.remarks import read_remarks, steering
from workspaces.review import spent, stretches
from workspaces.review.claim import confirmation_sentence
from workspaces.review.record import INBOX, Figures, RunRecord, figures
from workspaces.review.tables import Cell, print_table
from workspaces.review.text import (
    SELF_REPORTED,
    WITHOUT_SANDBOX,
    console,
    figure,
    self_reported,
    signed,
    span,
)
from workspaces.spending import read_spent


def summary(run: RunRecord) -> dict[str, Any]:
    """One run as plain data, the same figures that `print_run` shows."""
    settings = run.settings
    incumbent = run.incumbent
    confirmation = run.confirmation or {}
    return {
        "name": settings["name"],
        "directory": str(run.directory),
        "state": run.state,
        "goal": settings["goal"],
        "environment": settings["environment"],
        "metric": settings["metric"],
        "direction": settings["direction"],
        "self_reported": bool(settings.get("self_reported")),
        "guards": settings["guards"],
        "attempts": {
            "asked": run.attempts_allowed,
            "made": sum(run.verdicts().values()),
            "in_flight": run.in_flight(),
            "verdicts": run.verdicts(),
        },
        "baseline_under_way": None
        if run.baseline_seeds is None
        else {"measured": run.baseline_seeds[0], "of": run.baseline_seeds[1]},
        "baseline": None
        if run.baseline is None
        else {
            "score": run.baseline["score"],
            "standard_error": run.baseline["standard_error"],
            "noise": run.baseline["noise"],
            "entropy": run.baseline["entropy_end"],
        },
        "incumbent": _attempt(run, incumbent) if incumbent else {"attempt": 0},
        "confirmation": None
        if run.confirmation is None
        else {
            "attempt": (confirmation["winner"] or {}).get("attempt"),
            "change": confirmation["change"],
            "interval": confirmation["interval"],
            "guards": confirmation["guards"],
            "above_frontier": confirmation["above_frontier"],
        },
        "extensions": stretches.rows(run),
        "spent": spent.data(settings, read_spent(run.directory, settings.get("price"))),
        "sandbox": settings["sandbox"],
        "steering": [one.model_dump(exclude={"attempt"}) for one in steering(read_remarks(run.directory))],
        "offers_waiting": len(list((run.directory / INBOX).glob("*.json"))),
        "next": next_command(run),
    }


def next_command(run: RunRecord) -> str:
    """What a person would type next."""
    if run.state == "interrupted":
        return f"szilard resume {run.directory}"
    if run.state == "running":
        return f"szilard log {run.directory}"
    if run.state == "unsuitable":
        return f"mend the domain, then `szilard run` anew: {run.directory} cannot be researched as it is"
    incumbent = run.incumbent
    return f"szilard diff {run.directory} 0 {incumbent}" if incumbent else f"szilard log {run.directory}"


def print_run(run: RunRecord) -> None:
    """One run for a person."""
    out = console()
    settings, data = run.settings, summary(run)
    made, verdicts = data["attempts"]["made"], data["attempts"]["verdicts"]
    counts = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items()) or "none decided yet"
    rows = [
        ("Goal", clean(settings["goal"])),
        ("State", run.state),
        (
            "Optimises",
            f"{settings['metric']} ({settings['direction']}) in {settings['environment']}{guards(settings)}",
        ),
        ("Attempts", f"{made} of {run.attempts_allowed}: {counts}"),
    ]
    rows.append(("Spent", spent.told(settings, made, read_spent(run.directory, settings.get("price")))))
    if data["attempts"]["in_flight"]:
        rows.append(("In flight", ", ".join(f"attempt {number}" for number in data["attempts"]["in_flight"])))
    if data["offers_waiting"]:
        rows.append(("Offered", f"{data['offers_waiting']} of a person's attempts wait to be made"))
    rows.append(("Baseline", _baseline(run)))
    incumbent = run.incumbent
    rows.append(("Incumbent", _describe(run, incumbent) if incumbent else "the baseline"))
    extended = stretches.told(run)
    if extended is not None:
        rows.append(("Extended", f"{extended}. {stretches.caveat(run)}"))
    if run.confirmation is not None:
        earlier = "of the stretch before: " if extended and run.state != "finished" else ""
        rows.append(("Confirmation", earlier + confirmation_sentence(run)))
    rows += [("Steered", f"{one['created']}: {one_line(one['text'])}") for one in data["steering"]]
    if settings["sandbox"] == "none":
        rows.append(("Sandbox", WITHOUT_SANDBOX))
    if settings.get("self_reported"):
        rows.append(("Metric", SELF_REPORTED))
    rows.append(("Next", data["next"]))
    out.print(f"{settings['name']}", style="bold")
    for name, text in rows:
        style = "bold red" if name in ("Sandbox", "Metric") else None
        out.print(f"  {name:<14}{text}", style=style, soft_wrap=True)


def print_runs(runs: Sequence[RunRecord | Path], runs_dir: Path) -> None:
    """All runs of a runs directory; a path stands for a run that cannot be read."""
    out = console()
    if not runs:
        out.print(f'No runs in {runs_dir}. Start one: szilard run "Solve more countdown problems"')
        return
    rows = []
    for run in runs:
        if isinstance(run, Path):
            cells = [run.name, "damaged", "", "", "", f"see `szilard status {run}`"]
        else:
            change = None if run.confirmation is None else run.confirmation["change"]
            cells = [
                one_line(str(run.settings["name"])),
                run.state,
                f"{sum(run.verdicts().values())}/{run.attempts_allowed}",
                str(run.verdicts().get("kept", 0)),
                ("-" if change is None else f"{signed(change)} confirmed")
                + (" (no sandbox)" if run.settings["sandbox"] == "none" else "")
                + self_reported(run.settings),
                one_line(run.settings["goal"], 70),
            ]
        rows.append([Cell(cell) for cell in cells])
    print_table(out, ("run", "state", "attempts", "kept", "change", "goal"), rows)


def guards(settings: Any) -> str:
    """The guards as the tail of a sentence; empty where there are none."""
    if not settings["guards"]:
        return ""
    named = ", ".join(f"{guard['metric']} (tolerance {guard['tolerance']:g})" for guard in settings["guards"])
    return f", guarding {named}"


def _baseline(run: RunRecord) -> str:
    baseline = run.baseline
    if baseline is None:
        measured, wanted = run.baseline_seeds or (0, 0)
        return f"{measured} of {wanted} seeds measured" if measured else "not measured yet"
    score = figure(baseline["score"], baseline["standard_error"])
    end, noise = baseline["entropy_end"], figure(baseline["noise"])
    entropy = "" if end is None else f"entropy {figure(end)} nats a token, "
    return (
        f"{score} over its {len(baseline['seeds'])} seeds, {entropy}standard deviation between seeds {noise}"
    )


def _attempt(run: RunRecord, number: int) -> dict[str, Any]:
    attempt = run.attempt(number)
    found: Figures = figures(attempt)
    return {
        "attempt": number,
        "hypothesis": attempt.hypothesis,
        "verdict": attempt.verdict,
        "score": found.score,
        "standard_error": found.standard_error,
        "change": found.change,
        "interval": found.interval,
        "entropy": found.entropy,
        "seeds": found.seeds,
        "seconds": found.seconds,
    }


def _describe(run: RunRecord, number: int) -> str:
    attempt = run.attempt(number)
    found = figures(attempt)
    return (
        f"attempt {number}: {figure(found.score, found.standard_error, found.change)} over tasks, change "
        f"{signed(found.change)} {span(found.interval)} over seeds; {one_line(attempt.hypothesis, 80)}"
    )
