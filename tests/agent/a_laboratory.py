"""The rooms of a run with its real ledger and store; nothing is trained, since scores are put in."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from agent.budget import Budget, Reserve
from agent.failures import WEIGHTS_FILE
from agent.history import History
from agent.laboratory import Laboratory
from agent.measure import TRAINED_FILE, Measurer
from agent.researchers.catalogue import CatalogueResearcher
from agent.settings import RunSettings
from agent.training import Subject
from environments.base import Environment, EnvironmentSpec, Metric, Score, Split
from workspaces.ledger import Ledger
from workspaces.measurements import Measurement, MeasurementStore
from workspaces.workspace import Workspace

SEEDS = 3
NOISE = 0.01
BASELINE = (0.500, 0.502, 0.497, 0.501, 0.499, 0.503)
GAIN = (0.100, 0.101, 0.098, 0.103, 0.099, 0.100)
SPEC = EnvironmentSpec(
    name="put-in",
    version="1",
    description="Scores that a test puts in",
    metric="S",
    metric_meaning="the share that is solved",
    direction="maximise",
    range=(0.0, 1.0),
    metrics=("S",),
    guards=(),
    editable=("recipe.py",),
    protected=(),
    train_command=("python", "recipe.py"),
    budget={"tokens": 1},
    seconds_per_attempt=1.0,
    seeds=SEEDS,
)


class PutIn(Environment):
    """A domain whose policies are scored by the test."""

    spec = SPEC

    def __init__(self, policy: Path) -> None:
        self._policy = policy

    def workspace_template(self) -> Mapping[str, Path]:
        return {}

    def starting_policy(self) -> Path:
        return self._policy

    def score(self, policy: Path, split: Split, seed: int) -> NoReturn:
        raise AssertionError("nothing is scored here")


class Says:
    """The evaluator is foreign code: this one says what it is told to."""

    closed = False

    def __init__(self, score: Score) -> None:
        self._score = score

    def score(self, policy: Path, split: Split, seed: int, opened: Sequence[int] = ()) -> Score:
        return self._score


@dataclass
class PutClock:
    """Seconds that a test puts in."""

    seconds: float = 0.0


def budget(laboratory: Laboratory, clock: PutClock | None = None, kept_back: Reserve | None = None) -> Budget:
    """What a run may spend, with nothing kept back unless told otherwise."""
    nothing = Reserve(0.0, 0.0)
    return Budget(laboratory.directory, laboratory.settings, clock or PutClock(), kept_back or nothing)


def settings(environment: str = "put-in") -> RunSettings:
    return RunSettings(
        name="a-run",
        goal="Solve more",
        environment=environment,
        environment_version=SPEC.version,
        metric="S",
        direction="maximise",
        guards=(),
        attempts=6,
        seeds=SEEDS,
        confirmation_seeds=5,
        workers=2,
        device="cpu",
        researcher="catalogue",
        sandbox="none",
        seed=0,
        secret="s",
        created="2026-11-24T00:00:00+00:00",
        versions={},
    )


def build_measurer(
    directory: Path, environment: str = "put-in", scorer: Says | None = None, recipe: str = "STEPS = 100\n"
) -> Measurer:
    """A measurer on the directory's ledger and store, made if they are not there; it has no executor."""
    policy = directory / "policy"
    policy.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "model.safetensors"):
        (policy / name).write_text("{}")
    (directory / "recipe.py").write_text(recipe)
    ledger = Ledger.create(
        directory / "repository", {"recipe.py": directory / "recipe.py"}, message="Template"
    )
    return Measurer(
        settings(environment),
        PutIn(policy),
        ledger,
        MeasurementStore(directory / "measurements"),
        None,  # type: ignore[arg-type]
        scorer,  # type: ignore[arg-type]
    )


def build_laboratory(directory: Path, recipe: str = "STEPS = 100\n") -> Laboratory:
    """The rooms of a run whose baseline is measured on every seed."""
    measurer = build_measurer(directory, recipe=recipe)
    laboratory = Laboratory(
        directory=directory,
        settings=measurer.settings,
        spec=SPEC,
        ledger=measurer.ledger,
        measurer=measurer,
        history=History(measurer.ledger, measurer, SPEC.editable),
        researcher=CatalogueResearcher(),
        observer=lambda event: None,
        noise=NOISE,
        lock=threading.RLock(),
        stopping=threading.Event(),
    )
    put_scores(laboratory, laboratory.baseline, BASELINE)
    return laboratory


def propose(laboratory: Laboratory, number: int, *, parent: int = 0, on: str | None = None) -> str:
    """The code commit of an attempt."""
    return laboratory.ledger.commit_code(
        number,
        on or laboratory.baseline,
        parent,
        {"recipe.py": f"STEPS = {100 + number}\n"},
        hypothesis=f"{100 + number} steps solve more",
        mechanism="It trains for longer.",
        researcher="catalogue",
        predicted_score_change=0.1,
        predicted_entropy=0.3,
    )


def put_scores(
    laboratory: Laboratory,
    commit: str,
    scores: Sequence[float],
    outcomes: Sequence[tuple[float, ...]] = (),
    hashes: Sequence[str] = (),
    only: Sequence[int] | None = None,
) -> None:
    """Store what the seeds 0, 1, … of a commit scored; unlike each other unless told otherwise."""
    for seed, value in enumerate(scores):
        if only is not None and seed not in only:
            continue
        per_task = outcomes[seed] if outcomes else (value, 1.0 - value)
        metric = Metric(value, 0.01, per_task, tuple(str(task) for task in range(len(per_task))))
        laboratory.measurer.store.put(
            Measurement(
                key=laboratory.measurer.key(commit, seed, Split.SELECTION),
                score=Score("S", {"S": metric, "entropy": Metric(0.3)}),
                policy_hash=hashes[seed] if hashes else f"{commit}-{seed}",
                wall_seconds=1.0,
                cpu_seconds=1.0,
                score_seconds=0.1,
                entropy_start=0.5,
                entropy_end=0.3,
                steps=100,
                law=None,
            )
        )


def gained(by: Sequence[float] = GAIN, over: Sequence[float] = BASELINE, seeds: int = SEEDS) -> list[float]:
    """Scores of the screening seed and of every evidence seed."""
    return [score + gain for score, gain in zip(over, by, strict=False)][: seeds + 1]


def leave_trained(measurer: Measurer, folder: Path, seed: int, commit: str | None = None) -> Subject:
    """What a finished training of a commit, or of the baseline, leaves on disk."""
    commit = commit or measurer.ledger.tags()["baseline"]
    out = folder / f"{Split.SELECTION}-{seed}" / "out"
    (out / "policy").mkdir(parents=True)
    (out / "policy" / WEIGHTS_FILE).write_bytes(b"weights")
    mark = {
        "key": measurer.key(commit, seed, Split.SELECTION).digest,
        "wall_seconds": 1.0,
        "cpu_seconds": 1.0,
    }
    (out.parent / TRAINED_FILE).write_text(json.dumps(mark))
    return Subject(commit, folder, Workspace(measurer.ledger, folder / "worktree"))
