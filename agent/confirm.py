"""The end of a run: winner and baseline on fresh seeds and sealed tasks, beside the frontier.

Owns the opening of the seal. Nothing before it has scored a policy on the confirmation split.
"""

from __future__ import annotations

import itertools
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.arms import Arm
from agent.events import Message, Observer, Progress
from agent.history import History
from agent.measure import Measurer, Subject, TrainingFailed, Untrusted
from agent.seeds import seed_plan
from agent.settings import RunSettings
from agent.state_files import read_json, write_json
from agent.winner import above_frontier, judge_confirmation
from environments.base import Environment, FrontierPoint, Split
from workspaces.ledger import Ledger
from workspaces.measurements import Measurement
from workspaces.workspace import Workspace

CONFIRMATION_FILE = "confirmation.json"
FRONTIER_SEEDS = 5
InParallel = Callable[[Callable[[int, Workspace], None], list[int]], None]


@dataclass(frozen=True)
class Confirming:
    """What the confirmation of a run works with; `seeds` are all that selection may have used."""

    directory: Path
    settings: RunSettings
    environment: Environment
    ledger: Ledger
    measurer: Measurer
    history: History
    observer: Observer
    seeds: Sequence[int]

    @staticmethod
    def trainings(settings: RunSettings, environment: Environment) -> int:
        """How many trainings a confirmation costs."""
        points = len(environment.frontier())
        return 2 * settings.confirmation_seeds + points * _frontier_seeds(settings)


@dataclass(frozen=True)
class Contender:
    """One code to be measured at the end."""

    label: str
    commit: str
    seeds: Sequence[int]
    point: FrontierPoint | None = None


def confirm(confirming: Confirming, in_parallel: InParallel) -> dict[str, Any]:
    """Measure the winner (if there is one), the baseline and the frontier, and write confirmation.json.

    Without a winner the seal stays closed: the frontier is drawn on the selection split.
    """
    path = confirming.directory / CONFIRMATION_FILE
    if path.exists():
        return read_json(path)
    winner = confirming.history.incumbent_number()
    split = Split.CONFIRMATION if winner else Split.SELECTION
    contenders = _contenders(confirming, winner, split)
    confirming.observer(Message(_announcement(winner, contenders, split)))
    _measure(confirming, contenders, split, in_parallel)
    result = _result(confirming, contenders, winner, split)
    if result["confirmed"]:
        confirming.ledger.tag("confirmed", contenders[1].commit, f"confirmed: {result['reason']}")
    evidence = {
        f"measurements/{p.name}": p.read_bytes()
        for p in sorted(confirming.measurer.store.directory.glob("*.json"))
    }
    evidence[CONFIRMATION_FILE] = json.dumps(result, indent=1).encode()
    confirming.ledger.store_evidence(evidence, "Evidence: measurements and conversations")
    write_json(path, result)
    return result


def _contenders(confirming: Confirming, winner: int, split: Split) -> list[Contender]:
    settings, ledger = confirming.settings, confirming.ledger
    fresh = range(settings.confirmation_seeds) if winner else range(1, settings.seeds + 1)
    contenders = [Contender("baseline", ledger.tags()["baseline"], list(fresh))]
    if winner:
        contenders.append(Contender(f"attempt {winner}", ledger.incumbent(), list(fresh)))
    files = confirming.history.files(ledger.incumbent())
    for index, point in enumerate(confirming.environment.frontier(files)):
        commit = ledger.commit_frontier(index, point.label, point.files)
        contenders.append(Contender(point.label, commit, list(fresh)[: _frontier_seeds(settings)], point))
    return contenders


def _measure(
    confirming: Confirming, contenders: Sequence[Contender], split: Split, in_parallel: InParallel
) -> None:
    jobs = [(contender, seed) for contender in contenders for seed in contender.seeds]
    ended = itertools.count(1)

    def measure(index: int, workspace: Workspace) -> None:
        contender, seed = jobs[index]
        folder = confirming.directory / "confirmation" / _slug(contender.label)
        measured = confirming.measurer.find(contender.commit, seed, split)
        if measured is None:
            try:
                measured = confirming.measurer.measure(
                    Subject(contender.commit, folder, workspace), seed, split
                )
            except (TrainingFailed, Untrusted) as error:
                next(ended)
                confirming.observer(Message(f"  {contender.label}, seed {seed}: not measured ({error})"))
                return
        metric = measured.score.metrics[confirming.settings.metric]
        confirming.observer(
            Progress(
                attempt=0,
                phase="confirm" if contender.point is None and split is Split.CONFIRMATION else "frontier",
                detail=f"{next(ended)} of {len(jobs)}: {contender.label}, seed {seed}",
                score=metric.value,
                standard_error=metric.standard_error,
                entropy=measured.entropy_end,
            )
        )

    in_parallel(measure, list(range(len(jobs))))


def _result(
    confirming: Confirming, contenders: Sequence[Contender], winner: int, split: Split
) -> dict[str, Any]:
    settings = confirming.settings
    measured = {
        contender.label: confirming.history.measurements(contender.commit, split, contender.seeds)
        for contender in contenders
    }
    arms = {label: Arm({seed: m.score for seed, m in rows.items()}) for label, rows in measured.items()}
    result: dict[str, Any] = {
        "split": str(split),
        "metric": settings.metric,
        "opened": 1 if winner else 0,
        "baseline": {"seeds": _rows(measured["baseline"])},
        "winner": None,
        "change": None,
        "interval": None,
        "selection_change": None,
        "confirmed": None,
        "guards": [],
        "frontier": [
            {
                "label": contender.point.label,
                "learning_rate": contender.point.learning_rate,
                "steps": contender.point.steps,
                "seeds": _rows(measured[contender.label]),
            }
            for contender in contenders
            if contender.point is not None
        ],
        "above_frontier": None,
        "frontier_reason": "nothing was kept, so there is nothing to hold against the frontier",
        "reason": "nothing was kept: the sealed tasks stay sealed",
    }
    if not winner:
        return result
    label = contenders[1].label
    result["winner"] = {"attempt": winner, "seeds": _rows(measured[label])}
    failed = [name for name in ("baseline", label) if len(arms[name].scores) < len(contenders[0].seeds)]
    if failed:
        result["reason"] = f"{failed[0]} could not be measured on every fresh seed"
        result["confirmed"] = False
        return result
    judged = judge_confirmation(arms[label], arms["baseline"], settings)
    frontier = {other: arm for other, arm in arms.items() if other != label}
    above = above_frontier(arms[label], frontier, settings)
    record = confirming.ledger.attempt(winner)
    result |= {
        "change": judged.change,
        "interval": list(judged.interval),
        "confirmed": judged.confirmed,
        "reason": judged.reason,
        "guards": [
            {"metric": g.metric, "change": g.change, "tolerance": g.tolerance, "holds": g.holds}
            for g in judged.guards
        ],
        "selection_change": _selection_change(confirming, contenders),
        "above_frontier": above.above,
        "frontier_reason": above.reason,
        "hypothesis": record.hypothesis if record else None,
    }
    return result


def _selection_change(confirming: Confirming, contenders: Sequence[Contender]) -> float | None:
    """What selection saw of the winner against the baseline, over the evidence seeds of each."""
    settings = confirming.settings
    means = []
    for contender in contenders[:2]:
        seeds = [seed for seed in confirming.seeds if seed not in seed_plan(settings.seeds).screening]
        measured = confirming.history.measurements(contender.commit, Split.SELECTION, seeds).values()
        if not measured:
            return None
        means.append(statistics.fmean(m.score.metrics[settings.metric].value for m in measured))
    return means[1] - means[0]


def _rows(measured: Mapping[int, Measurement]) -> list[dict[str, Any]]:
    return [
        {
            "seed": seed,
            "metrics": {name: metric.value for name, metric in m.score.metrics.items()},
            "entropy": m.entropy_end,
        }
        for seed, m in sorted(measured.items())
    ]


def _frontier_seeds(settings: RunSettings) -> int:
    return min(FRONTIER_SEEDS, settings.confirmation_seeds)


def _slug(label: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in label).split())


def _announcement(winner: int, contenders: Sequence[Contender], split: Split) -> str:
    trainings = sum(len(contender.seeds) for contender in contenders)
    if winner:
        where = "on fresh seeds and sealed tasks, beside the frontier"
        return f"Confirming attempt {winner} {where}: {trainings} trainings."
    return f"Nothing was kept. Drawing the frontier on the {split} split: at most {trainings} trainings."
