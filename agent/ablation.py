"""Which change carried the winner's gain: each is left out once, and winner and rest are trained again.

Owns what is left out, on which seeds, and what is said of it. The seeds are fresh, so no race has chosen by
them; the tasks are those of selection, so that the seal stays closed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from agent.arms import LEVEL, Arm, crossed, signed
from agent.closing import ClosingTraining, InParallel, measure_all
from agent.confirm import Confirming
from agent.events import Message
from agent.researchers.configuration import Configuration, edits, ordered, read, scientific
from agent.researchers.control_table import SEVERAL, Table, table_of
from agent.state_files import read_json, write_json
from environments.base import Split, SzilardError
from evaluators.significance import CrossedInterval
from workspaces.edits import apply_edits
from workspaces.leaving_out import without

ABLATION_FILE = "ablation.json"
ABLATION_SEEDS = 6

Role = Literal["carried", "harmed", "not told apart", "not measured"]


class NothingToLeaveOut(SzilardError):
    """The run kept nothing, so there is no winner to take apart."""


@dataclass(frozen=True)
class Part:
    """A change that is left out: its name, and the winner's editable files without it."""

    label: str
    files: Mapping[str, str]


def parts_of(confirming: Confirming) -> list[Part]:
    """What can be left out of the winner: every kept attempt, and every setting that the catalogue can name.

    A part that is the whole change is no part: leaving it out gives the baseline, which the confirmation has.
    """
    history, ledger = confirming.history, confirming.ledger
    baseline = dict(history.files(ledger.tags()["baseline"]))
    winner = dict(history.files(ledger.incumbent()))
    found: dict[tuple[tuple[str, str], ...], Part] = {}
    for part in (*_kept(confirming, winner), *_settings(winner, baseline)):
        if part.files not in (winner, baseline):
            found.setdefault(tuple(sorted(part.files.items())), part)
    return list(found.values())


def ablate(confirming: Confirming, in_parallel: InParallel) -> dict[str, Any]:
    """Measure the winner and each rest on fresh seeds, and write ablation.json; what is there is kept.

    Raises:
        NothingToLeaveOut: the run kept nothing.
    """
    path = confirming.directory / ABLATION_FILE
    number = confirming.history.incumbent_number()
    if path.exists() and (found := read_ablation(path))["attempt"] == number:
        return found
    if not number:
        raise NothingToLeaveOut(f"{confirming.directory} kept nothing, so there is nothing to leave out.")
    parts = parts_of(confirming)
    first = confirming.seeds[-1] + 1
    seeds = range(first, first + ABLATION_SEEDS)
    ledger = confirming.ledger
    commits = [ledger.commit_without(number, i, part.label, part.files) for i, part in enumerate(parts)]
    labels = {ledger.incumbent(): f"attempt {number}"} | {
        commit: f"without {part.label}" for commit, part in zip(commits, parts, strict=True)
    }
    trainings = [
        ClosingTraining(label, commit, confirming.directory / "ablation" / commit[:12], seed, "ablate")
        for seed in seeds
        for commit, label in labels.items()
        if parts
    ]
    if trainings:
        told = f"Leaving out one change at a time, on fresh seeds: {len(trainings)} trainings."
        confirming.observer(Message(told))
    measure_all(confirming.measurer, confirming.observer, trainings, Split.SELECTION, in_parallel)
    arms = {label: confirming.history.arm(commit, Split.SELECTION, seeds) for commit, label in labels.items()}
    result = {
        "attempt": number,
        "metric": confirming.settings.metric,
        "seeds": list(seeds),
        "parts": [
            {"label": part.label}
            | _judged(confirming, arms[f"attempt {number}"], arms[f"without {part.label}"])
            for part in parts
        ],
    }
    evidence = {ABLATION_FILE: json.dumps(result, indent=1).encode()}
    ledger.store_evidence(evidence)
    write_json(path, result)
    return result


def read_ablation(path: Path) -> dict[str, Any]:
    """What an earlier ablation wrote.

    Raises:
        SzilardError: the file is missing or damaged.
    """
    return read_json(path, "attempt", "parts", "seeds")


def sentence(ablation: Mapping[str, Any]) -> str:
    """What came of it, in one sentence."""
    parts = ablation["parts"]
    if not parts:
        return "The winner is one change, so there is nothing to leave out of it."
    told = [
        f"without {part['label']} {signed(-part['change'])} ({part['role']})"
        if part["change"] is not None
        else f"without {part['label']}: not measured"
        for part in parts
    ]
    return f"Left out one at a time, on {len(ablation['seeds'])} fresh seeds: {'; '.join(told)}."


def _judged(confirming: Confirming, winner: Arm, rest: Arm) -> dict[str, Any]:
    shared = sorted(winner.scores.keys() & rest.scores.keys())
    if len(shared) < 2:
        return {"change": None, "interval": None, "role": "not measured"}
    settings = confirming.settings
    gain = crossed(winner, rest, settings.metric, shared, LEVEL)
    role = _role(gain, settings.sign)
    return {"change": gain.change, "interval": list(gain.interval), "role": role}


def _role(gain: CrossedInterval, sign: float) -> Role:
    low, high = sorted(sign * bound for bound in gain.interval)
    return "carried" if low > 0 else "harmed" if high < 0 else "not told apart"


def _kept(confirming: Confirming, winner: Mapping[str, str]) -> Iterator[Part]:
    """The winner without each attempt that it builds on, where later ones do not build on that."""
    history, ledger = confirming.history, confirming.ledger
    commits = {record.number: record.code_commit for record in ledger.attempts()}
    number = history.incumbent_number()
    while number:
        record = ledger.attempt(number)
        if record is None or record.code_commit is None:
            return
        before = commits.get(record.parent) or ledger.tags()["baseline"]
        rest = without(winner, history.files(record.code_commit), history.files(before), ledger.git)
        if rest is not None:
            yield Part(f"attempt {number}", rest)
        number = record.parent


def _settings(winner: Mapping[str, str], baseline: Mapping[str, str]) -> Iterator[Part]:
    """The winner with each of its settings put back to the baseline's, where the catalogue can read both."""
    table = table_of(baseline)
    ours, theirs = read(winner, table), read(baseline, table)
    if ours is None or theirs is None:
        return
    for label, rest in reductions(ours, theirs, table):
        changed = edits(winner, rest, baseline, table)
        if changed:
            files = apply_edits(winner, changed, editable=tuple(winner), protected=())
            yield Part(label, files)


def _instead_of(
    name: str, held: Mapping[str, float], mine: Mapping[str, float], table: Table
) -> dict[str, float]:
    """What the baseline has in the place of a control: its own value of it, or what the control displaced."""
    if name in held:
        return {name: held[name]}
    slot = table[name].slot
    if slot in SEVERAL:
        return {}
    return {n: v for n, v in held.items() if table[n].slot == slot and n not in mine}


def reductions(
    ours: Configuration, theirs: Configuration, table: Table
) -> Sequence[tuple[str, Configuration]]:
    """What is left of `ours` when one setting is the baseline's again, each with the setting's label."""
    held, mine, found = dict(theirs.controls), dict(ours.controls), []
    for name, value in ours.controls:
        if held.get(name) != value:
            rest = {n: v for n, v in mine.items() if n != name} | _instead_of(name, held, mine, table)
            found.append((table[name].described(value), replace(ours, controls=ordered(rest, table))))
    for name, value in theirs.controls:
        displaced = table[name].slot not in SEVERAL and any(
            table[other].slot == table[name].slot for other in mine
        )
        if name not in mine and not displaced:
            whole = ordered(mine | {name: value}, table)
            found.append((f"the removal of {table[name].described(value)}", replace(ours, controls=whole)))
    if ours.learning_rate != theirs.learning_rate:
        label = f"learning rate {scientific(ours.learning_rate)}"
        found.append((label, replace(ours, learning_rate=theirs.learning_rate)))
    if ours.steps != theirs.steps:
        found.append((f"{ours.steps} steps", replace(ours, steps=theirs.steps)))
    return found
