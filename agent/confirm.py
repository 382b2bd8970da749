"""The end of a run: winner and baseline on fresh seeds and sealed tasks, beside the frontier.

Owns the opening of the seal. Nothing before it has scored a policy on the confirmation split.
"""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.closing import ClosingTraining, InParallel, measure_all
from agent.closing_seeds import ClosingSeeds
from agent.confirmation import BASELINE, confirmation_of
from agent.events import Message, Observer
from agent.history import History
from agent.measure import Measurer
from agent.seeds import seed_plan
from agent.settings import RunSettings
from agent.state_files import damaged, read_json, write_json
from environments.base import Environment, FrontierPoint, Split, SzilardError
from workspaces.ledger import Ledger
from workspaces.remarks import evidence_of_remarks

CONFIRMATION_FILE = "confirmation.json"
WRITTEN = (
    *("baseline", "winner", "change", "interval", "confirmed", "reason", "guards", "metrics", "frontier"),
    *("above_frontier", "frontier_reason", "opened", "selection_change", "hypothesis"),
)


@dataclass(frozen=True)
class Confirming:
    """What the confirmation of a run works with.

    `seeds` are all that selection may have used, `closing` how many fresh ones there are time for.
    """

    directory: Path
    settings: RunSettings
    environment: Environment
    ledger: Ledger
    measurer: Measurer
    history: History
    observer: Observer
    seeds: Sequence[int]
    closing: ClosingSeeds


@dataclass(frozen=True)
class Contender:
    """One code to be measured at the end."""

    label: str
    commit: str
    seeds: Sequence[int]
    point: FrontierPoint | None = None


class SealedAlready(SzilardError):
    """The sealed tasks were opened already, and nobody asked for a second opening."""


def confirm(confirming: Confirming, in_parallel: InParallel) -> dict[str, Any]:
    """Measure the winner (if there is one), the baseline and the frontier, and write confirmation.json.

    Without a winner the seal stays closed: the frontier is drawn on the selection split.
    """
    path = confirming.directory / CONFIRMATION_FILE
    if path.exists():
        return read_confirmation(path)
    winner = confirming.history.incumbent_number()
    standing = _standing(confirming, winner)
    if standing is not None:
        confirming.observer(
            Message(
                "No better attempt was kept since: the confirmation stands, and the new seal is not broken."
            )
        )
        _keep(confirming, standing)
        return standing
    split = Split.CONFIRMATION if winner else Split.SELECTION
    contenders = _contenders(confirming, winner, split)
    confirming.observer(Message(_announcement(winner, contenders, split, confirming.settings)))
    _measure(confirming, contenders, split, in_parallel)
    result = _result(confirming, contenders, winner, split)
    if result["confirmed"]:
        tag = confirmed_tag(result["seal"])
        confirming.ledger.tag(tag, contenders[1].commit, f"confirmed: {result['reason']}")
    _keep(confirming, result)
    return result


def confirmed_tag(seal: int) -> str:
    """The tag of what was confirmed on the tasks of a seal."""
    return "confirmed" if seal == 1 else f"confirmed-{seal}"


def _standing(confirming: Confirming, winner: int) -> dict[str, Any] | None:
    """The confirmation that was known when the run went on, if its winner is still the winner.

    None too where somebody has asked for another opening since.
    """
    extensions = confirming.settings.extensions
    if not winner or not extensions or _records(confirming.directory)[-1].name != extensions[-1].record:
        return None
    known = read_confirmation(confirming.directory / extensions[-1].record)
    if not known["winner"] or known["winner"]["attempt"] != winner:
        return None
    return {"stands": extensions[-1].record, **known}


def _keep(confirming: Confirming, result: dict[str, Any]) -> None:
    """Write confirmation.json, and all that it rests on into the evidence."""
    evidence = {
        f"measurements/{p.name}": p.read_bytes()
        for p in sorted(confirming.measurer.store.directory.glob("*.json"))
    }
    evidence |= {path.name: path.read_bytes() for path in _records(confirming.directory)}
    evidence[CONFIRMATION_FILE] = json.dumps(result, indent=1).encode()
    evidence |= evidence_of_remarks(confirming.directory)
    confirming.ledger.store_evidence(evidence)
    write_json(confirming.directory / CONFIRMATION_FILE, result)


def read_confirmation(path: Path) -> dict[str, Any]:
    """What an earlier confirmation wrote.

    Raises:
        SzilardError: the file is missing or damaged.
    """
    found = read_json(path, *WRITTEN)
    winner = found["winner"]
    if winner is not None and not (isinstance(winner, dict) and {"attempt", "seeds"} <= winner.keys()):
        raise damaged(path, "it names no winner")
    return found


def reopen(directory: Path) -> None:
    """Set the confirmation aside, so that the next one opens the sealed tasks again, on fresh seeds.

    Raises:
        SealedAlready: there is no confirmation yet, so nothing is to be opened again.
    """
    path = directory / CONFIRMATION_FILE
    if not path.exists():
        raise SealedAlready(
            f"{directory} has no confirmation yet: `szilard resume {directory}` makes the first."
        )
    os.replace(path, directory / next_record(directory))


def next_record(directory: Path) -> str:
    """The name under which the present confirmation is set aside."""
    return f"confirmation-{len(_records(directory)) + 1}.json"


def _records(directory: Path) -> list[Path]:
    """The confirmations that were set aside, oldest first."""
    return sorted(directory.glob("confirmation-*.json"), key=lambda path: (len(path.name), path.name))


def _openings(directory: Path, seal: int | None = None) -> int:
    """How often sealed tasks, or those of one seal, were opened before the present confirmation."""
    earlier = [read_confirmation(path) for path in _records(directory)]
    opened = [one.get("seal", 1) for one in earlier if one["winner"] and "stands" not in one]
    return len(opened) if seal is None else opened.count(seal)


def _contenders(confirming: Confirming, winner: int, split: Split) -> list[Contender]:
    settings, ledger = confirming.settings, confirming.ledger
    count, first = (
        confirming.closing.confirmation,
        _openings(confirming.directory) * settings.confirmation_seeds,
    )
    fresh = range(first, first + count) if winner else range(1, settings.seeds + 1)
    contenders = [Contender(BASELINE, ledger.tags()["baseline"], list(fresh))]
    if winner:
        contenders.append(Contender(f"attempt {winner}", ledger.incumbent(), list(fresh)))
    files = confirming.history.files(ledger.incumbent())
    for index, point in enumerate(confirming.environment.frontier(files)):
        commit = ledger.commit_frontier(index, point.label, point.files)
        contenders.append(Contender(point.label, commit, list(fresh)[: confirming.closing.frontier], point))
    return contenders


def _measure(
    confirming: Confirming, contenders: Sequence[Contender], split: Split, in_parallel: InParallel
) -> None:
    opening = split is Split.CONFIRMATION
    trainings = [
        ClosingTraining(
            contender.label,
            contender.commit,
            confirming.directory / "confirmation" / _slug(contender.label),
            seed,
            "confirm" if contender.point is None and opening else "frontier",
        )
        for contender in contenders
        for seed in contender.seeds
    ]
    measure_all(confirming.measurer, confirming.observer, trainings, split, in_parallel)


def _result(
    confirming: Confirming, contenders: Sequence[Contender], winner: int, split: Split
) -> dict[str, Any]:
    measured = {
        contender.label: confirming.history.measurements(contender.commit, split, contender.seeds)
        for contender in contenders
    }
    result = confirmation_of(
        confirming.settings,
        measured,
        [contender.point for contender in contenders if contender.point is not None],
        winner=contenders[1].label if winner else None,
        seeds=len(contenders[0].seeds),
        split=split,
    )
    seal = confirming.settings.seal
    result["seal"] = seal
    result["opened"] = _openings(confirming.directory, seal) + 1 if winner else 0
    result["selection_change"] = result["hypothesis"] = None
    if winner:
        record = confirming.ledger.attempt(winner)
        result["winner"]["attempt"] = winner
        result["hypothesis"] = record.hypothesis if record else None
        result["selection_change"] = _selection_change(confirming, contenders)
    return result


def _selection_change(confirming: Confirming, contenders: Sequence[Contender]) -> float | None:
    """What selection saw of the winner against the baseline: the change of its verdict where that was the
    comparator, else the difference of the means over the evidence seeds of each.
    """
    settings = confirming.settings
    record = confirming.ledger.attempt(confirming.history.incumbent_number())
    if record is not None and record.compared_with == 0 and "Score-Change" in record.trailers:
        return float(record.trailers["Score-Change"])
    means = []
    for contender in contenders[:2]:
        seeds = [seed for seed in confirming.seeds if seed not in seed_plan(settings.seeds).screening]
        measured = confirming.history.measurements(contender.commit, Split.SELECTION, seeds).values()
        if not measured:
            return None
        means.append(statistics.fmean(m.score.metrics[settings.metric].value for m in measured))
    return means[1] - means[0]


def _slug(label: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in label).split())


def _announcement(winner: int, contenders: Sequence[Contender], split: Split, settings: RunSettings) -> str:
    trainings = sum(len(contender.seeds) for contender in contenders)
    if winner:
        where = f"on {settings.confirmed_on}" + (", beside the frontier" if settings.trains_policy else "")
        return f"Confirming attempt {winner} {where}: {trainings} trainings."
    return f"Nothing was kept. Drawing the frontier on the {split} split: at most {trainings} trainings."
