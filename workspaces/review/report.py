"""The report of a run: one page that says what was found, on which figures, and how to get them again.

Owns report.md; it measures nothing.
"""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workspaces.attempts import AttemptRecord
from workspaces.plain_text import markdown
from workspaces.review import confirmation_section, entropy, spent, stretches
from workspaces.review.claim import confirmation_sentence
from workspaces.review.command import commands_again, sameness
from workspaces.review.log import legend
from workspaces.review.record import ASSESSMENT_FILE, RunRecord, figures
from workspaces.review.run_picture import PICTURE_FILE, draw
from workspaces.review.text import (
    SELF_REPORTED,
    duration,
    figure,
    markdown_table,
    seed_count,
    self_reported,
    signed,
    span,
)
from workspaces.spending import read_spent

REPORT_FILE = "report.md"


def write_report(
    directory: Path,
    run: Mapping[str, Any],
    attempts: Sequence[AttemptRecord],
    baseline: Mapping[str, Any],
    confirmation: Mapping[str, Any] | None,
) -> None:
    """Write report.md, picture.svg and picture.png into the run directory.

    `run`, `baseline` and `confirmation` are what run.json, baseline.json and confirmation.json hold.

    Raises:
        OSError: the files cannot be written.
    """
    kept = [attempt.number for attempt in attempts if attempt.verdict == "kept"]
    winner = None if confirmation is None else confirmation["winner"]
    record = RunRecord(
        directory=directory,
        settings={name: value for name, value in run.items() if name != "secret"},
        state="interrupted" if confirmation is None else "finished",
        attempts=tuple(attempt for attempt in attempts if attempt.number > 0),
        baseline=baseline,
        confirmation=confirmation,
        incumbent=max(kept, default=0) if winner is None else winner["attempt"],
    )
    draw(record)
    target = directory / REPORT_FILE
    temporary = target.with_name(f".{REPORT_FILE}.tmp")
    temporary.write_text(render(record), encoding="utf-8")
    os.replace(temporary, target)


def render(run: RunRecord) -> str:
    """The report as Markdown. Words of researchers are escaped: they are foreign text."""
    sections = [
        _opening(run),
        _asked(run),
        _baseline(run),
        _attempts(run),
        _evidence(run),
        entropy.section(run.directory, run.attempts),
        confirmation_section.section(run),
        confirmation_section.ablation(run),
        stretches.section(run),
        spent.section(run.settings, len(run.attempts), read_spent(run.directory, run.settings.get("price"))),
        _predictions(run),
        _reproduce(run),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _opening(run: RunRecord) -> str:
    lines = [
        f"# {markdown(run.settings['name'])}",
        "",
        f"> {markdown(run.settings['goal'])}",
        "",
        f"**Result: {confirmation_sentence(run)}.**",
    ]
    if run.settings["sandbox"] == "none":
        lines += ["", "🟥 **SANDBOX: NONE. THE CODE UNDER RESEARCH RAN WITH THE RIGHTS OF THE USER.**"]
    if run.settings.get("self_reported"):
        lines += ["", f"🟥 **{SELF_REPORTED}.**"]
    lines += ["", f"![Attempts and frontier]({PICTURE_FILE})"]
    return "\n".join(lines)


def _asked(run: RunRecord) -> str:
    settings = run.settings
    guards = "; ".join(
        f"{guard['metric']} no more than {guard['tolerance']:g} worse than the baseline's"
        for guard in settings["guards"]
    )
    budget = f"{settings['attempts']} attempts"
    if settings["minutes"] is not None:
        budget += f", {settings['minutes']:g} minutes"
    if run.extensions:
        budget += f"; extended to {run.attempts_allowed} attempts"
    researcher = settings["researcher"] + (f" ({settings['model']})" if settings["model"] else "")
    rows = [
        ("environment", f"{settings['environment']} {settings['environment_version']}"),
        ("optimised", f"{settings['metric']}, {settings['direction']}{self_reported(settings)}"),
        ("guards", guards or "none"),
        ("budget", budget),
        ("evidence seeds", f"at most {settings['seeds']} an attempt"),
        ("confirmation seeds", f"at most {settings['confirmation_seeds']}"),
        ("chance of keeping any null edit", f"at most {settings['alpha']:g} over the whole run"),
        ("researcher, search", f"{researcher}, {settings['search']}"),
        ("device, workers", f"{settings['device']}, {settings['workers']}"),
        ("sandbox", "NONE" if settings["sandbox"] == "none" else settings["sandbox"]),
        ("seed", str(settings["seed"])),
        ("domain by its baseline", _assessment(run.directory)),
        ("started", settings["created"]),
    ]
    return "## What was asked\n\n" + markdown_table(
        ("", ""), [(name, markdown(value)) for name, value in rows]
    )


def _assessment(directory: Path) -> str:
    """What the probes of the baseline said of the domain, and whether the run went on against it."""
    try:
        found = json.loads((directory / ASSESSMENT_FILE).read_text())
        outcome, reason, forced = found["outcome"], found["reason"], found["forced"]
    except (OSError, ValueError, KeyError, TypeError):
        return "not recorded"
    if outcome != "unsuitable":
        return f"{outcome}: {reason}"
    return f"UNSUITABLE{', and run all the same by --force' if forced else ''}: {reason}"


def _baseline(run: RunRecord) -> str:
    baseline = run.baseline
    if baseline is None:
        return "## Baseline\n\nNot measured."
    text = (
        f"The unmodified template: {run.settings['metric']} "
        f"{figure(baseline['score'], baseline['standard_error'])} on the selection split, "
        f"{_entropy_of(baseline)}over its {len(baseline['seeds'])} seeds; ± is the standard error over them. "
        f"The standard deviation between seeds is {figure(baseline['noise'])}: "
        "a difference of two trainings varies by 1.4 times that."
    )
    rows = [
        (str(seed["seed"]), figure(seed["score"]), figure(seed["entropy"]), duration(seed["seconds"]))
        for seed in baseline["seeds"]
    ]
    header = ("seed", run.settings["metric"], "entropy", "trained and scored in")
    return f"## Baseline\n\n{text}\n\n" + markdown_table(*_with_entropy(run, header, rows))


def _with_entropy(
    run: RunRecord, header: tuple[str, ...], rows: Sequence[tuple[str, ...]]
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """A table as it is, or without its column `entropy` where nothing of the run has one."""
    if run.settings.get("trains_policy", True):
        return header, list(rows)
    at = header.index("entropy")
    return header[:at] + header[at + 1 :], [row[:at] + row[at + 1 :] for row in rows]


def _entropy_of(baseline: Mapping[str, Any]) -> str:
    """The part of a sentence that says the baseline's final entropy, if it has one."""
    if baseline["entropy_end"] is None:
        return "a mean "
    return f"final entropy {figure(baseline['entropy_end'])} nats a token, both means "


def _attempts(run: RunRecord) -> str:
    if not run.attempts:
        return "## Attempts\n\nNone was made."
    rows = []
    for attempt in run.attempts:
        found = figures(attempt)
        verdict = attempt.verdict or "in flight"
        rows.append(
            (
                str(attempt.number),
                str(attempt.parent),
                f"**{verdict}**" if verdict == "kept" else verdict,
                signed(found.change),
                span(found.interval),
                "-" if found.entropy is None else f"{found.entropy:.3f}",
                seed_count(found.seeds),
                markdown(attempt.hypothesis),
            )
        )
    counts = ", ".join(f"{count} {verdict}" for verdict, count in run.verdicts().items())
    columns = ("attempt", "on", "verdict", "change", "95% interval", "entropy", "seeds", "hypothesis")
    header, shown = _with_entropy(run, columns, rows)
    return (
        f"## Attempts\n\n{counts.capitalize()}. Changes are of {run.settings['metric']} on the selection "
        f"split.\n\n{markdown_table(header, shown)}\n\n{legend(header)}"
    )


def _evidence(run: RunRecord) -> str:
    lines = []
    for attempt in run.attempts:
        if attempt.verdict is None:
            continue
        trailers = attempt.trailers
        guards = f" Guards: {markdown(trailers['Guards'])}." if trailers.get("Guards") else ""
        spent = f" Alpha spent: {markdown(trailers['Alpha-Spent'])}." if trailers.get("Alpha-Spent") else ""
        commit = f" Commit `{attempt.result_commit[:10]}`." if attempt.result_commit else ""
        reason = markdown(attempt.reason or "No reason was recorded").rstrip(".") + "."
        lines.append(f"- **{attempt.number}, {attempt.verdict}.** {reason}{guards}{spent}{commit}")
    if not lines:
        return ""
    what = (
        "A p value is one-sided, of a t test on differences paired by seed, and is held against the alpha "
        "that its look could spend. Guards are against the baseline's mean; at worst is the lower bound that "
        "decides them. The noise is the baseline's standard deviation between seeds."
    )
    return "\n\n".join(["## Why each verdict", what, "\n".join(lines)])


def _predictions(run: RunRecord) -> str:
    misses, entropies = [], []
    for attempt in run.attempts:
        found = figures(attempt)
        if found.change is not None and attempt.predicted_score_change is not None:
            misses.append(abs(found.change - attempt.predicted_score_change))
        if found.entropy is not None and attempt.predicted_entropy is not None:
            entropies.append(abs(found.entropy - attempt.predicted_entropy))
    if not misses:
        return ""
    text = (
        f"On average they missed the change of {run.settings['metric']} by {figure(statistics.fmean(misses))}"
    )
    if entropies:
        text += f" and the final entropy by {figure(statistics.fmean(entropies))} nats a token"
    return f"## How the predictions fared\n\n{text} ({len(misses)} attempts measured)."


def _reproduce(run: RunRecord) -> str:
    winner = run.incumbent
    commands = [
        f"git -C {run.directory / 'repository'} log --graph --branches --oneline",
        f"szilard log {run.directory}",
    ]
    if winner:
        commands += [f"szilard diff {run.directory} 0 {winner}", f"szilard replay {run.directory} {winner}"]
    versions = ", ".join(f"{name} {version}" for name, version in sorted(run.settings["versions"].items()))
    return "\n\n".join(
        [
            "## How to reproduce",
            "The whole run:",
            f"```sh\n{commands_again(run)}\n```",
            sameness(run),
            "What this one did, the last command training one seed of the winner again:"
            if winner
            else "What this one did:",
            "```sh\n" + "\n".join(commands) + "\n```",
            "Every attempt is a branch of `repository/`, with its figures in its result commit. Those of the "
            "baseline, the frontier and the confirmation are in `baseline.json` and `confirmation.json`. "
            "What all of them rest on, seed by seed, is in the ref `refs/szilard/evidence`, which a clone "
            "leaves behind: `git fetch origin refs/szilard/evidence:refs/szilard/evidence` brings it.",
            f"Versions: {markdown(versions)}.",
        ]
    )
