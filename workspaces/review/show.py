"""`szilard show`: one attempt: what was thought, what was predicted and what came of it.

Owns the page of an attempt; the log files of its training are foreign text and are cleaned.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workspaces.review import entropy
from workspaces.review.log import STYLES, row
from workspaces.review.record import RunRecord, figures
from workspaces.review.text import clean, console, duration, figure, one_line, signed, span

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
    "Diagnosis",
    "Tokens-Touched",
)


def page(run: RunRecord, number: int) -> dict[str, Any]:
    """One attempt as plain data; attempt 0 is the baseline.

    Raises:
        UnreadableRun: the run has no such attempt.
    """
    if number == 0:
        found = entropy.read_diagnosis(run.directory, 0)
        return {"attempt": 0, "baseline": run.baseline, "entropy_diagnosis": found}
    attempt = run.attempt(number)
    return {
        **row(attempt),
        "mechanism": attempt.mechanism,
        "trailers": dict(attempt.trailers),
        "entropy_diagnosis": entropy.read_diagnosis(run.directory, number),
        "stderr": error_tail(run.directory, number) if attempt.verdict == "crashed" else None,
    }


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
    entropy = "-" if found.entropy is None else f"{found.entropy:.3f}"
    if found.entropy_start is not None:
        entropy += f" (from {found.entropy_start:.3f})"
    out.print(f"  {'final entropy':<{_NAMES}}{attempt.predicted_entropy:<14.3f}{entropy}\n")
    out.print(f"  {'verdict':<{_NAMES}}{verdict}", style=STYLES.get(verdict))
    if attempt.reason:
        out.print(f"  {'reason':<{_NAMES}}{one_line(attempt.reason)}", soft_wrap=True)
    if found.score is not None:
        out.print(f"  {metric:<{_NAMES}}{figure(found.score, found.standard_error, found.change)}")
    if found.seconds is not None:
        out.print(f"  {'trained':<{_NAMES}}{duration(found.seconds)}")
    for name, value in attempt.trailers.items():
        if name not in _SHOWN_ABOVE:
            out.print(
                f"  {one_line(name).replace('-', ' ').lower():<{_NAMES}}{one_line(value)}", soft_wrap=True
            )
    if attempt.code_commit:
        out.print(f"  {'code commit':<{_NAMES}}{attempt.code_commit}")
    _print_entropy(run, number, attempt.trailers)
    if verdict == "crashed":
        lines = error_tail(run.directory, number)
        out.print("\nLast lines of standard error:" if lines else "\nIt wrote nothing to standard error.")
        for line in lines:
            out.print(f"  | {line}", soft_wrap=True)
    out.print(f"\nCode: szilard diff {run.directory} {number}", soft_wrap=True)


def _print_entropy(run: RunRecord, number: int, trailers: Mapping[str, str]) -> None:
    out, data = console(), entropy.read_diagnosis(run.directory, number)
    said = entropy.sentence(data, trailers)
    if said is None:
        return
    out.print("\nWhere entropy went (training of the screening seed)", style="bold")
    out.print(said, soft_wrap=True)
    for line in entropy.block(data) if data is not None else []:
        out.print(f"  {line}".rstrip(), soft_wrap=True)


def _print_baseline(run: RunRecord) -> None:
    out = console()
    out.print("Attempt 0, the baseline: the unmodified template", style="bold")
    if run.baseline is None:
        out.print("It is not measured yet.")
        return
    baseline = run.baseline
    out.print(f"  {run.settings['metric']:<{_NAMES}}{figure(baseline['score'], baseline['standard_error'])}")
    out.print(f"  {'seed noise':<{_NAMES}}{figure(baseline['noise'])}")
    out.print(f"  {'final entropy':<{_NAMES}}{figure(baseline['entropy_end'])}")
    for seed in baseline["seeds"]:
        measured = f"{figure(seed['score'])}, entropy {figure(seed['entropy'])}"
        out.print(f"  {'seed ' + str(seed['seed']):<{_NAMES}}{measured}, trained {duration(seed['seconds'])}")
    _print_entropy(run, 0, {})
