"""A whole run: baseline, attempts, end.

Owns the order of a run and its stopping; each part is done by the room it belongs to, and each asks
the ledger and the measurements what is already done, so that `resume` is the same walk again.
"""

from __future__ import annotations

import os
import shutil
import statistics
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from agent import extension, fsck, inbox, own_controls
from agent.beginning import Beginning
from agent.budget import Budget
from agent.ending import Ending
from agent.events import Event, Message, Observer
from agent.history import History
from agent.laboratory import Laboratory
from agent.opening import Interrupted, Opened, opened
from agent.ownership import is_running, owned
from agent.researchers.base import Researcher
from agent.researchers.choice import researcher_of
from agent.settings import RunSettings
from agent.state_files import Clock
from agent.summary import RunSummary
from agent.workers import Workers
from environments.base import EnvironmentSpec, Guard, SzilardError
from workspaces.measurements import Measurement
from workspaces.review.record import CONFIRMATION_FILE
from workspaces.sandbox import choose_sandbox
from workspaces.spending import CLOCK_FILE
from workspaces.workspace import Workspace

__all__ = [
    "Interrupted",
    "RunSummary",
    "ablate_winner",
    "confirm_again",
    "create",
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
        self.beginning = Beginning(
            directory, settings, self.spec, measurer, self.history, self.observer, self.workers.each
        )
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
        return self.ending.finish(self._make_attempts())

    def try_offers(self) -> None:
        self._make_attempts(offers_only=True)

    def _make_attempts(self, *, offers_only: bool = False) -> Mapping[int, Measurement]:
        """All attempts that are wanted, after the baseline, whose measurements come back."""
        researcher = researcher_of(self.settings, self.directory, self.observer)
        baseline = self.beginning.measured_baseline()
        laboratory, budget = self.laboratory(baseline, researcher), self.ending.budget(baseline)
        self._attempts(laboratory, budget, offers_only=offers_only)
        return baseline

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
