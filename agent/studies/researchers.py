"""Researchers side by side: runs of the same domain, each with the same training seconds, on several seeds.

Owns the runs of a comparison and the figures that they are held by. A run is made as `szilard run` makes it.

What is compared is the gain of the incumbent over the baseline, by the score that selection saw, at every
second of training that the run's attempts have taken. That is flattered by the choice, for every researcher
by the same rule; the change that the confirmation found on sealed tasks stands beside it. Runs of one seed
share a secret and so tasks and noise: their baseline is trained once, and differences between researchers are
paired by seed.
"""

from __future__ import annotations

import json
import shutil
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.confirm import CONFIRMATION_FILE, read_confirmation
from agent.events import Message, Observer
from agent.run import create, resume
from agent.seeds import every_seed
from agent.settings import ASKING_A_MODEL, RunSettings
from agent.state_files import read_json
from agent.trials import OtherComparison
from environments.base import Split
from evaluators.significance import paired_interval
from workspaces.attempts import AttemptRecord
from workspaces.ledger import Ledger
from workspaces.measurements import MeasurementStore
from workspaces.review.record import BASELINE_FILE
from workspaces.spending import BEGUN_FILE, ENDED_FILE, rows_of

LEVEL = 0.95
BASELINE_FOLDER = "0000"
RUNS = "runs"


@dataclass(frozen=True)
class Course:
    """One run. `steps` are (training seconds of its attempts, gain of the incumbent) from each promotion on.

    Gains are in units of the metric, positive is better. `seconds` is what all attempts took; `confirmed` is
    the change on sealed tasks with its interval, None where nothing was kept.
    """

    researcher: str
    seed: int
    attempts: int
    kept: int
    seconds: float
    steps: Sequence[tuple[float, float]]
    confirmed: tuple[float, tuple[float, float]] | None

    def gain_at(self, second: float) -> float:
        """The gain of the incumbent once its attempts have taken so many training seconds; 0 at first."""
        return next((gain for at, gain in reversed(self.steps) if at <= second), 0.0)

    def area(self, until: float) -> float:
        """The mean of the gain over the training seconds up to `until`; after the last attempt it stays."""
        steps = [(0.0, 0.0), *((at, gain) for at, gain in self.steps if at < until)]
        ends = [at for at, _ in steps[1:]] + [until]
        return sum(gain * (end - at) for (at, gain), end in zip(steps, ends, strict=True)) / until


@dataclass(frozen=True)
class Difference:
    """A researcher's mean area less that of the one all are held against, paired by seed."""

    change: float
    interval: tuple[float, float] | None


def plan_runs(settings: RunSettings, researchers: Sequence[str], runs: int) -> list[RunSettings]:
    """The settings of every run, seed by seed, so that a comparison that is broken off has whole seeds."""
    return [
        settings.model_copy(
            update={
                "name": f"{researcher}-{seed}",
                "researcher": researcher,
                "seed": seed,
                "model": settings.model if researcher in ASKING_A_MODEL else None,
            }
        )
        for seed in range(settings.seed, settings.seed + runs)
        for researcher in researchers
    ]


def run_all(planned: Iterable[RunSettings], directory: Path, observer: Observer) -> list[Course]:
    """Make what is missing of the runs, and read what came of each.

    Raises:
        OtherComparison: a run that is there was made with another model.
        Interrupted: stopped by Ctrl-C or SIGTERM; the same call goes on.
        SzilardError: what a run raises.
    """
    courses, of_a_seed = [], dict[int, Path]()
    for settings in planned:
        run = directory / RUNS / settings.name
        if not run.exists():
            observer(Message(f"\nRun {settings.name}: {settings.researcher} on seed {settings.seed}."))
            create(settings, directory / RUNS)
        if settings.seed in of_a_seed and not (run / BASELINE_FILE).exists():
            share_baseline(of_a_seed[settings.seed], run)
        made = RunSettings.read(run)
        if made.model != settings.model:
            raise OtherComparison(f"{run} was made with the model {made.model}: choose another --out.")
        if not (run / CONFIRMATION_FILE).exists():
            resume(run, observer)
        of_a_seed.setdefault(settings.seed, run)
        courses.append(course_of(run))
    return courses


def share_baseline(source: Path, target: Path) -> None:
    """Give a new run what an ended one of the same seed has measured of the baseline; idempotent.

    Its training seconds are charged to both. On seeds that only the races of one run asked for, and of
    other code, such as the frontier's, nothing is shared: the other run would have it for nothing.
    """
    seeds = every_seed(RunSettings.read(source).seeds)
    charged = {row["key"] for row in rows_of(source / ENDED_FILE) if _is_baseline(row, seeds)}
    for name in (BEGUN_FILE, ENDED_FILE):
        kept = [row for row in rows_of(source / name) if row.get("key") in charged]
        (target / name).write_text("".join(f"{json.dumps(row)}\n" for row in kept))
    for seed in seeds:
        inside = Path("attempts", BASELINE_FOLDER, f"{Split.SELECTION}-{seed}")
        if (source / inside).exists():
            shutil.copytree(source / inside, target / inside, symlinks=True, dirs_exist_ok=True)
    measured = [one for one in MeasurementStore(source / "measurements").all() if one.key.seed in seeds]
    trees = {one.key.tree for one in measured if one.key.digest in charged}
    store = MeasurementStore(target / "measurements")
    for one in measured:
        if one.key.tree in trees:
            store.put(one)


def _is_baseline(row: Mapping[str, Any], seeds: Sequence[int]) -> bool:
    """Whether a training was of the baseline, on the seeds that it is measured on at the start of a run."""
    of_selection = row["folder"] == BASELINE_FOLDER and row["split"] == Split.SELECTION
    return of_selection and row["seed"] in seeds


def course_of(run: Path) -> Course:
    """What a run that has ended came to, second by second."""
    settings, records = RunSettings.read(run), Ledger(run / "repository").attempts()
    baseline = float(read_json(run / BASELINE_FILE, "score")["score"])
    rows = list(rows_of(run / ENDED_FILE))
    seeds = every_seed(settings.seeds)
    before = sum(row["seconds"] for row in rows if _is_baseline(row, seeds))
    steps = [
        (_decided_at(record, rows) - before, settings.sign * (float(record.trailers["Score"]) - baseline))
        for record in records
        if record.verdict == "kept"
    ]
    found = read_confirmation(run / CONFIRMATION_FILE)
    confirmed = (found["change"], tuple(found["interval"])) if found["winner"] else None
    numbered = {f"{record.number:04d}" for record in records}
    last = max((place for place, row in enumerate(rows, 1) if row["folder"] in numbered), default=0)
    return Course(
        researcher=settings.researcher,
        seed=settings.seed,
        attempts=len(records),
        kept=len(steps),
        seconds=max(0.0, sum(row["seconds"] for row in rows[:last]) - before),
        steps=sorted(steps),
        confirmed=confirmed,
    )


def _decided_at(record: AttemptRecord, rows: Sequence[Mapping[str, Any]]) -> float:
    """Training seconds of the run up to the last training that a verdict rests on."""
    seeds = {int(seed) for seed in record.trailers["Seeds"].split(",")}
    mine = [
        place
        for place, row in enumerate(rows, 1)
        if row["folder"] == f"{record.number:04d}" and row["seed"] in seeds
    ]
    return float(sum(row["seconds"] for row in rows[: max(mine, default=0)]))


def horizon(courses: Iterable[Course]) -> float:
    """The training seconds up to which all are compared: those of the run whose attempts took most."""
    return max((course.seconds for course in courses), default=0.0) or 1.0


def differences(courses: Sequence[Course], against: str) -> Mapping[str, Difference]:
    """Every other researcher's area against that of one, over the seeds that both have."""
    until = horizon(courses)
    areas: dict[str, dict[int, float]] = {}
    for course in courses:
        areas.setdefault(course.researcher, {})[course.seed] = course.area(until)
    found = {}
    for researcher, mine in areas.items():
        shared = sorted(mine.keys() & areas[against].keys())
        if researcher != against and shared:
            changes = [mine[seed] - areas[against][seed] for seed in shared]
            found[researcher] = Difference(statistics.fmean(changes), interval_of(changes))
    return found


def interval_of(values: Sequence[float]) -> tuple[float, float] | None:
    """The 95% t interval of a mean over seeds; None from fewer than two."""
    return paired_interval(values, LEVEL) if len(values) > 1 else None
