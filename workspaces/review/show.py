"""`szilard show`: one attempt: what was thought, what was predicted and what came of it.

Owns the page of an attempt; the log files of its training are foreign text and are cleaned.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workspaces.plain_text import clean, one_line
from workspaces.remarks import notes_on, read_remarks
from workspaces.review import entropy, evidence
from workspaces.review.log import STYLES, row
from workspaces.review.record import RunRecord, figures
from workspaces.review.text import SELF_REPORTED, WITHOUT_SANDBOX, console, duration, figure, signed, span

_TAIL_BYTES = 16 * 1024
_TAIL_LINES = 20
_NAMES = 34
_SHOWN_ABOVE = (
    "Attempt",
    "Verdict",
    "Reason",
    "Score",
    "Score-Standard-Error",
    "Score-Change",
    "Score-Change-Interval",
    "Entropy-Start",
    "Entropy-End",
    "Train-Seconds",
    "Sandbox",
    "Evidence",
    "Diagnosis",
    "Tokens-Touched",
    "Seed-Changes",
    "P-Value",
    "Threshold",
    "Law-A",
    "Law-B",
    "Law-R2",
)
_CALLED = {
    "Score-Change-Standard-Error": "standard error of the change",
    "Guards": "guards, against the baseline",
    "Alpha-Spent": "alpha that it could spend",
    "Compared-With": "compared with attempt",
    "Seeds": "seeds, the first screens",
    "Entrant": "entrants into the race before it",
    "Reapply": "to be raced anew",
    "Stretch": "stretch, after a first result",
    "Snapshot-Changes": "snapshots, after so many updates",
    "Forecast": "foreseen, of the screening seed",
    "Forecast-Calibration": "the forecast until then",
}


def page(run: RunRecord, number: int) -> dict[str, Any]:
    """One attempt as plain data; attempt 0 is the baseline.

    Raises:
        UnreadableRun: the run has no such attempt.
    """
    if number == 0:
        found = entropy.read_diagnosis(run.directory, 0)
        return {
            "attempt": 0,
            "baseline": run.baseline,
            "entropy_diagnosis": found,
            "notes": _notes(run, number),
        }
    attempt = run.attempt(number)
    return {
        **row(attempt),
        "mechanism": attempt.mechanism,
        "trailers": dict(attempt.trailers),
        "entropy_diagnosis": entropy.read_diagnosis(run.directory, number),
        "stderr": error_tail(run.directory, number) if attempt.verdict == "crashed" else None,
        "notes": _notes(run, number),
    }


def _notes(run: RunRecord, number: int) -> list[dict[str, str]]:
    """What a person has noted on an attempt, oldest first."""
    notes = notes_on(read_remarks(run.directory), number)
    return [{"text": note.text, "created": note.created} for note in notes]


def error_tail(directory: Path, number: int) -> list[str]:
    """The last lines that the training of an attempt wrote to standard error."""
    folder = directory / "attempts" / f"{number:04d}"
    logs = sorted(folder.glob("**/stderr.log"), key=lambda log: log.stat().st_mtime)
    for log in reversed(logs):
        with log.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
            lines = clean(file.read().decode("utf-8", "replace")).strip().splitlines()
        if lines:
            return lines[-_TAIL_LINES:]
    return []


def print_attempt(run: RunRecord, number: int) -> None:
    """One attempt for a person.

    Raises:
        UnreadableRun: the run has no such attempt.
    """
    out = console()
    if number == 0:
        _print_baseline(run)
        _print_notes(run, number)
        return
    attempt = run.attempt(number)
    found = figures(attempt)
    verdict = attempt.verdict or "in flight"
    parent = f"attempt {attempt.parent}" if attempt.parent else "the baseline"
    out.print(f"Attempt {number}, on {parent}, by {one_line(attempt.researcher)}", style="bold")
    out.print(f"{one_line(attempt.hypothesis)}\n", soft_wrap=True)
    out.print(clean(attempt.mechanism).strip() + "\n", soft_wrap=True)
    metric = run.settings["metric"]
    measured = signed(found.change)
    if found.interval is not None:
        measured += f", 95% interval {span(found.interval)}"
    out.print(f"  {'':<{_NAMES}}{'predicted':<14}measured")
    out.print(f"  {metric + ' change':<{_NAMES}}{signed(attempt.predicted_score_change):<14}{measured}")
    of = _mean_of(found.seeds)
    final = "-" if found.entropy is None else f"{found.entropy:.3f}, {of}"
    if found.entropy_start is not None:
        final += f" ({found.entropy_start:.3f} at the first step)"
    if attempt.predicted_entropy is not None:
        out.print(f"  {'final entropy':<{_NAMES}}{attempt.predicted_entropy:<14.3f}{final}")
    out.print("")
    out.print(f"  {'verdict':<{_NAMES}}{verdict}", style=STYLES.get(verdict))
    if run.settings["sandbox"] == "none":
        out.print(f"  {WITHOUT_SANDBOX}", style="bold red")
    if run.settings.get("self_reported"):
        out.print(f"  {SELF_REPORTED}", style="bold red")
    if attempt.reason:
        out.print(f"  {'reason':<{_NAMES}}{one_line(attempt.reason)}", soft_wrap=True)
    if found.score is not None:
        score = figure(found.score, found.standard_error, found.change)
        out.print(f"  {metric:<{_NAMES}}{score} over tasks, {of}")
    if found.seconds is not None:
        out.print(f"  {'trained, all seeds':<{_NAMES}}{duration(found.seconds)}")
    for name, value in attempt.trailers.items():
        if name not in _SHOWN_ABOVE:
            called = _CALLED.get(name) or one_line(name).replace("-", " ").lower()
            out.print(f"  {called:<{_NAMES}}{one_line(value)}", soft_wrap=True)
    if attempt.code_commit:
        out.print(f"  {'code commit':<{_NAMES}}{attempt.code_commit}")
    rows = evidence.block(attempt.trailers, found.change, found.interval)
    if rows:
        out.print(f"\nEvidence: {metric} against {parent}, seed by seed", style="bold")
        for line in rows:
            out.print(f"  {line}", soft_wrap=True)
    _print_entropy(run, number, attempt.trailers)
    if verdict == "crashed":
        lines = error_tail(run.directory, number)
        out.print("\nLast lines of standard error:" if lines else "\nIt wrote nothing to standard error.")
        for line in lines:
            out.print(f"  | {line}", soft_wrap=True)
    _print_notes(run, number)
    out.print(f"\nCode: szilard diff {run.directory} {number}", soft_wrap=True)


def _print_notes(run: RunRecord, number: int) -> None:
    out, notes = console(), _notes(run, number)
    if notes:
        out.print("\nNotes", style="bold")
    for note in notes:
        out.print(f"  {note['created']}: {one_line(note['text'])}", soft_wrap=True)


def _mean_of(seeds: int | None) -> str:
    return f"mean of {seeds - 1} evidence seeds" if seeds is not None and seeds > 1 else "screening seed"


def _print_entropy(run: RunRecord, number: int, trailers: Mapping[str, str]) -> None:
    out, data = console(), entropy.read_diagnosis(run.directory, number)
    said = entropy.sentence(data, trailers)
    if said is None:
        return
    out.print("\nWhere entropy went (training of the screening seed)", style="bold")
    out.print(said, soft_wrap=True)
    if data is not None:
        for line in [*entropy.block(data), "", entropy.LEGEND]:
            out.print(f"  {line}".rstrip(), soft_wrap=True)


def _print_baseline(run: RunRecord) -> None:
    out = console()
    out.print("Attempt 0, the baseline: the unmodified template", style="bold")
    if run.baseline is None:
        out.print("It is not measured yet.")
        return
    baseline = run.baseline
    score = figure(baseline["score"], baseline["standard_error"])
    of = f"mean of {len(baseline['seeds'])} seeds"
    out.print(f"  {run.settings['metric']:<{_NAMES}}{score} over seeds, {of}")
    out.print(f"  {'standard deviation between seeds':<{_NAMES}}{figure(baseline['noise'])}")
    if baseline["entropy_end"] is not None:
        out.print(f"  {'final entropy':<{_NAMES}}{figure(baseline['entropy_end'])}, {of}")
    if run.settings.get("self_reported"):
        out.print(f"  {SELF_REPORTED}", style="bold red")
    for seed in baseline["seeds"]:
        entropy_end = "" if seed["entropy"] is None else f", entropy {figure(seed['entropy'])}"
        measured = f"{figure(seed['score'])}{entropy_end}"
        took = f"trained and scored in {duration(seed['seconds'])}"
        out.print(f"  {'seed ' + str(seed['seed']):<{_NAMES}}{measured}, {took}")
    _print_entropy(run, 0, {})
