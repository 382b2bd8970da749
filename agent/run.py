"""A whole run: assess, baseline, attempts, confirm, report.

Owns the order of a run and its stopping; each part is done by the room it belongs to, and each asks
the ledger and the measurements what is already done, so that `resume` is the same walk again.
"""

from __future__ import annotations

import os
import shutil
import statistics
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from agent import extension, fsck, inbox, noise, own_controls
from agent.announcement import describe
from agent.assess.baseline import BaselineProbes, Unsuitable, refusal, require
from agent.budget import Budget
from agent.diagnosing import keep_baseline_diagnosis
from agent.ending import Ending
from agent.events import Event, Message, Observer, Progress
from agent.failures import TrainingFailed
from agent.foresight import watch_only
from agent.history import History
from agent.laboratory import Laboratory
from agent.opening import Interrupted, Opened, opened
from agent.ownership import is_running, owned
from agent.plan import plan
from agent.researchers.base import Researcher
from agent.researchers.choice import researcher_of
from agent.seeds import SCREENING_SEED, every_seed
from agent.settings import RunSettings
from agent.state_files import Clock, read_score, write_json
from agent.summary import RunSummary
from agent.training import Subject
from agent.workers import Workers
from environments.base import EnvironmentSpec, Guard, Score, Split, SzilardError
from environments.suitability import SAID, Probe
from workspaces.measurements import Measurement
from workspaces.review.record import BASELINE_FILE, CONFIRMATION_FILE, UNSUITABLE_FILE
from workspaces.sandbox import choose_sandbox
from workspaces.spending import CLOCK_FILE
from workspaces.workspace import Workspace

__all__ = [
    "Interrupted",
    "RunSummary",
    "ablate_winner",
    "confirm_again",
    "create",
    "describe",
    "plan",
    "resume",
    "start",
]


class RunExists(SzilardError):
    """A run of that name is there already."""


def start(
    settings: RunSettings, runs_dir: Path, observer: Observer, controls: Sequence[Path] = ()
) -> RunSummary:
    """Create the run directory, with the user's own controls in it, and run to the end.

    Raises:
        RunExists: there is a run of that name.
        Interrupted: stopped by Ctrl-C or SIGTERM; `resume` goes on.
        SzilardError: what a user can mend, in one sentence.
    """
    return resume(create(settings, runs_dir, controls), observer)


def create(settings: RunSettings, runs_dir: Path, controls: Sequence[Path] = ()) -> Path:
    """Create the run directory, with the user's own controls in it; `resume` runs what is in there.

    Raises:
        RunExists: there is a run of that name.
    """
    directory = runs_dir / settings.name
    secret = settings.derive_secret(runs_dir)
    _remove_never_begun(runs_dir)
    nascent = runs_dir / f".{settings.name}.{os.getpid()}"
    nascent.mkdir()
    try:
        own_controls.keep(controls, nascent)
        settings.model_copy(update={"secret": secret}).write(nascent)
        nascent.rename(directory)
    except OSError as error:
        shutil.rmtree(nascent, ignore_errors=True)
        if directory.exists():
            raise RunExists(
                f"{directory} exists already. Go on with it by `szilard resume {directory}`, "
                "or choose another --name."
            ) from error
        raise
    return directory


def _remove_never_begun(runs_dir: Path) -> None:
    """Remove what starts of runs left, with their secrets, that were killed before they had a name."""
    for folder in runs_dir.glob(".*.[0-9]*"):
        process = folder.suffix.removeprefix(".")
        if folder.is_dir() and process.isdecimal() and not is_running(int(process)):
            shutil.rmtree(folder, ignore_errors=True)


def resume(directory: Path, observer: Observer, more: extension.Asked | None = None) -> RunSummary:
    """Go on with a run, wherever it stopped; with `more`, one that had ended.

    Raises what `start` raises, but RunExists, and with `more` what `extend` raises.
    """
    with _owned_run(directory, observer, more) as run:
        try:
            return run.to_the_end()
        finally:
            run.clock.save()


def try_offers(directory: Path, observer: Observer) -> RunSummary | None:
    """Carry out what people have offered to a run, and what was under way, and begin nothing else.

    A run that had ended is given an attempt for each offer, and ends again: then its summary comes back.
    Raises what `resume` raises.
    """
    if (directory / CONFIRMATION_FILE).exists():
        offers = extension.Amount(len(inbox.waiting(directory)), more=True)
        return resume(directory, observer, extension.Asked(attempts=offers))
    with _owned_run(directory, observer) as run:
        try:
            run.try_offers()
        finally:
            run.clock.save()
    return None


def ablate_winner(directory: Path, observer: Observer) -> str:
    """Leave each change out of a run's winner once, and say in one sentence which of them carried the gain.

    Raises:
        SzilardError: the run kept nothing, or what `resume` raises.
    """
    with _owned_run(directory, observer) as run:
        return run.ending.ablate()


def confirm_again(directory: Path, observer: Observer) -> RunSummary:
    """Open the sealed tasks of a run again, on fresh seeds.

    Raises:
        SzilardError: they were never opened, or what `resume` raises.
    """
    with _owned_run(directory, observer) as run:
        return run.ending.confirm_again()


@contextmanager
def opened_run(directory: Path, observer: Observer) -> Iterator[Run]:
    """A run as its folder says, for who reads it or trains beside it."""
    settings = RunSettings.read(directory)
    with opened(directory, settings, observer, own_controls.files_of(directory, settings)) as found:
        yield Run(directory, settings, found)


@contextmanager
def _owned_run(directory: Path, observer: Observer, more: extension.Asked | None = None) -> Iterator[Run]:
    """The same, for what writes into the run: by one process at a time."""
    RunSettings.read(directory)
    with owned(directory):
        if more is not None:
            settings = RunSettings.read(directory)
            choose_sandbox(settings.sandbox)
            researcher_of(settings, directory)
            extension.extend(directory, more, directory / CLOCK_FILE)
        extension.set_aside(directory)
        with opened_run(directory, observer) as run:
            fsck.refuse_touched(directory, run.ledger)
            if more is not None:
                run.observer(Message(extension.announcement(run.settings, run.history)))
            yield run


class Run:
    """One opened run."""

    def __init__(self, directory: Path, settings: RunSettings, found: Opened) -> None:
        environment, measurer = found.environment, found.measurer
        self.directory = directory
        self.settings = settings
        self.environment = environment
        self.measurer = measurer
        self.ledger = measurer.ledger
        self.clock = Clock(directory / CLOCK_FILE)
        self.observer = self._observed(found.tell)
        self.spec = spec_in_force(environment.spec, settings)
        self.history = History(
            self.ledger, measurer, environment.spec.editable, [one.after for one in settings.extensions]
        )
        self.workers = Workers(directory, measurer)
        self.probes = BaselineProbes(directory, measurer)
        self.ending = Ending(
            directory,
            settings,
            environment,
            measurer,
            self.history,
            self.observer,
            self.workers.each,
            self.clock,
        )

    def _observed(self, tell: Observer) -> Observer:
        def observe(event: Event) -> None:
            self.clock.tick()
            tell(event)

        return observe

    def to_the_end(self) -> RunSummary:
        researcher = researcher_of(self.settings, self.directory, self.observer)
        start = self._assess()
        baseline = self._baseline(start)
        self._attempts(self.laboratory(baseline, researcher), self.ending.budget(baseline))
        return self.ending.finish(baseline)

    def try_offers(self) -> None:
        researcher = researcher_of(self.settings, self.directory, self.observer)
        baseline = self._baseline(self._assess())
        laboratory, budget = self.laboratory(baseline, researcher), self.ending.budget(baseline)
        self._attempts(laboratory, budget, offers_only=True)

    def laboratory(self, baseline: Mapping[int, Measurement], researcher: Researcher) -> Laboratory:
        """What attempts work with, once the baseline is measured."""
        return Laboratory(
            directory=self.directory,
            settings=self.settings,
            spec=self.spec,
            ledger=self.ledger,
            measurer=self.measurer,
            history=self.history,
            researcher=researcher,
            observer=self.observer,
            noise=_noise(baseline, self.settings.metric),
            lock=threading.RLock(),
            stopping=self.workers.stopping,
        )

    def _require(self, probes: list[Probe]) -> None:
        """Stop where a probe blocks, and leave word of it: this run is not to be resumed as it is."""
        for probe in probes:
            self.observer(Message(f"  {probe.id} {probe.name}: {SAID[probe.verdict]} ({probe.finding})"))
        try:
            verdict = require(probes, self.settings.force)
        except Unsuitable as error:
            self._leave_word(str(error))
            raise
        (self.directory / UNSUITABLE_FILE).unlink(missing_ok=True)
        self.probes.keep(verdict, self.settings.force)
        if verdict.outcome == "unsuitable":
            self.observer(Message(f"UNSUITABLE, and run all the same, as --force asks. {verdict.reason}"))

    def _leave_word(self, reason: str) -> None:
        write_json(self.directory / UNSUITABLE_FILE, {"reason": reason})

    def _read_known(self) -> None:
        """What `szilard env assess` has found of this very domain.

        Raises:
            Unsuitable: that it cannot be researched, and this run is not forced.
        """
        found = self.probes.read_known()
        if found is None:
            return
        verdict, path = found
        self.observer(Message(f"Assessed before ({path.parent}): {verdict.outcome}. {verdict.reason}"))
        if verdict.outcome == "unsuitable" and not self.settings.force:
            self._leave_word(refusal(verdict.reason))
            raise Unsuitable(refusal(verdict.reason))

    def _assess(self) -> Score | None:
        """What can be known before any training; cached, since it costs a few scorings.

        None where no policy is trained.
        """
        if not self.settings.trains_policy:
            return None
        path = self.directory / "start.json"
        if path.exists():
            return read_score(path)
        self._read_known()
        self.observer(Message("Assessing the domain: is its metric one finite number?"))
        start, probes = self.probes.score_untrained()
        self._require(probes)
        write_json(path, start.to_json())
        return start

    def _baseline(self, start: Score | None) -> Mapping[int, Measurement]:
        commit, seeds = self.ledger.tags()["baseline"], every_seed(self.settings.seeds)
        done = self.history.measurements(commit, Split.SELECTION, seeds)
        folder = self.directory / "attempts" / "0000"

        def measure(seed: int, workspace: Workspace) -> None:
            before = time.monotonic()
            self.observer(Progress(0, "baseline", detail=f"seed {seed}", seconds=0.0))
            watch = watch_only(self.spec) if seed == SCREENING_SEED else None
            subject = Subject(commit, folder, workspace)
            try:
                measured = self.measurer.measure(subject, seed, Split.SELECTION, watch)
            except TrainingFailed as error:
                raise SzilardError(
                    f"The template of {self.spec.name} cannot be trained as it is: {error.headline} "
                    f"(logs: {folder / f'{Split.SELECTION}-{seed}'}). Mend it and start anew."
                ) from error
            metric = measured.score.metrics[self.settings.metric]
            self.observer(
                Progress(
                    0,
                    "baseline",
                    detail=f"seed {seed}",
                    seconds=time.monotonic() - before,
                    score=metric.value,
                    standard_error=metric.standard_error,
                    entropy=measured.entropy_end,
                )
            )

        if len(done) < len(seeds):
            self.observer(Message(f"Training the baseline on {len(seeds)} seeds: this is also the noise."))
        self.workers.each(measure, [seed for seed in seeds if seed not in done])
        baseline = self.history.measurements(commit, Split.SELECTION, seeds)
        self.measurer.limit_cpu(list(baseline.values()))
        self._assess_baseline(start, baseline)
        self._write_baseline(baseline)
        keep_baseline_diagnosis(self.history, self.directory)
        return baseline

    def _assess_baseline(self, start: Score | None, baseline: Mapping[int, Measurement]) -> None:
        """Hold the baseline against what is known to be worse; a run that is resumed has done so before."""
        if not (self.directory / BASELINE_FILE).exists():
            self.observer(Message("Assessing the domain by its baseline; `szilard env assess` asks more."))
            self._require(
                self.probes.of_commands(baseline)
                if start is None
                else self.probes.of_baseline(start, baseline)
            )

    def _write_baseline(self, baseline: Mapping[int, Measurement]) -> None:
        metric = self.settings.metric
        entry = self.history.baseline_entry(metric, sorted(baseline))
        found = noise.noise_of({seed: m.score for seed, m in baseline.items()}, metric)
        reach = noise.reach_of(found.seed, self.settings)
        rows = [
            {
                "seed": seed,
                "score": m.score.metrics[metric].value,
                "entropy": m.entropy_end,
                "seconds": m.wall_seconds + m.score_seconds,
            }
            for seed, m in sorted(baseline.items())
        ]
        write_json(
            self.directory / BASELINE_FILE,
            {
                "score": entry.score,
                "standard_error": entry.standard_error,
                "noise": found.seed,
                "noise_sampling": found.sampling,
                "noise_tasks": found.tasks,
                "detectable": reach.detectable,
                "entropy_end": entry.entropy,
                "seeds": rows,
            },
        )
        self.observer(
            Progress(
                0,
                "done",
                hypothesis="the template as it is",
                score=entry.score,
                standard_error=entry.standard_error,
                entropy=entry.entropy,
                verdict="kept",
                detail=f"seed noise {found.seed:.4f}",
            )
        )
        for line in noise.sentences(found, reach, metric):
            self.observer(Message(line))

    def _attempts(self, laboratory: Laboratory, budget: Budget, *, offers_only: bool = False) -> None:
        from agent.dispatch import Dispatcher

        with Dispatcher(self.directory, laboratory, budget, offers_only=offers_only) as dispatcher:

            def work(slot: int, workspace: Workspace) -> None:
                stopping = self.workers.stopping
                while not stopping.is_set() and (number := dispatcher.take(workspace)) is not None:
                    dispatcher.run(number, workspace)
                    self.clock.save()

            self.workers.each(work, list(range(self.settings.workers)))


def spec_in_force(spec: EnvironmentSpec, settings: RunSettings) -> EnvironmentSpec:
    """The environment's spec with the metric and guards that the run asked for."""
    guards = tuple(Guard(guard.metric, guard.tolerance) for guard in settings.guards)
    return replace(spec, metric=settings.metric, direction=settings.direction, guards=guards)


def _noise(baseline: Mapping[int, Measurement], metric: str) -> float:
    return statistics.stdev(m.score.metrics[metric].value for m in baseline.values())
