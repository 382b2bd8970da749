"""Attempts go in rounds of as many as there are workers, so that a run hangs on its seed and not on timing.

Owns what an attempt may see of others, whom it waits for, and what a worker does while it waits: it trains
the next evidence seeds of those that race.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from agent.failures import Cancelled, TrainingFailed, Untrusted
from agent.laboratory import Laboratory
from agent.training import Subject
from environments.base import Split
from workspaces.workspace import Workspace

_LOOK_AGAIN_SECONDS = 0.1


@dataclass(frozen=True)
class Trained:
    """One training on selection: a commit on a seed, and the folder of its logs."""

    commit: str
    folder: Path
    seed: int


@dataclass(frozen=True)
class Race:
    """An entrant: the seed that its own worker is at, and what else it may ask for, in that order."""

    seed: int
    coming: tuple[Trained, ...]


class Rounds:
    """Who is at what in the present round. Safe from any thread.

    `not_asked` says why a researcher was not asked for want of means; then no other round begins.
    """

    def __init__(self, laboratory: Laboratory) -> None:
        self._laboratory = laboratory
        self._ahead = laboratory.settings.workers - 1
        self._lock = threading.Lock()
        self.not_asked: str | None = None
        self._screened: set[int] = set()
        self._races: dict[int, Race] = {}
        self._helped: set[Trained] = set()
        self._in_training: set[Trained] = set()

    def proposed(self, numbers: range) -> bool:
        """Whether all of these have their code in the ledger."""
        return all(self._laboratory.ledger.attempt(number) is not None for number in numbers)

    def screened(self, numbers: range) -> bool:
        """Whether it is known of all of these if they race."""
        return all(number in self._screened or self._decided(number) for number in numbers)

    def decided(self, numbers: range) -> bool:
        """Whether all of these have their verdict."""
        return all(self._decided(number) for number in numbers)

    def race(self, number: int, race: Race) -> None:
        """Note that an attempt has entered, or where its race stands."""
        with self._lock:
            self._screened.add(number)
            self._races[number] = race

    def end(self, number: int) -> None:
        """Note that an attempt's race is over, if it had one; nobody will look at what it still trains."""
        folder = self._laboratory.folder(number).path
        with self._lock:
            self._races.pop(number, None)
            idle = [trained for trained in self._in_training if trained.folder == folder]
        for trained in idle:
            self._laboratory.measurer.cancel(trained.commit, trained.seed, Split.SELECTION)

    def helped(self, trained: Trained) -> bool:
        """Whether another worker is at a training just now."""
        with self._lock:
            return trained in self._in_training

    def wait(self, until: Callable[[], bool], workspace: Workspace | None) -> None:
        """Come back once `until` holds; help whoever races in the meantime, with a work tree.

        Raises:
            Cancelled: the run is being stopped.
        """
        while not until():
            if self._laboratory.stopping.is_set():
                raise Cancelled("The run is being stopped.")
            if workspace is None or not self._help(workspace):
                self._laboratory.stopping.wait(_LOOK_AGAIN_SECONDS)

    def _help(self, workspace: Workspace) -> bool:
        """Measure the next seed that a race will ask for; what goes wrong its own worker finds again."""
        found = self._next()
        if found is None:
            return False
        number, trained = found
        subject = Subject(trained.commit, trained.folder, workspace)
        try:
            with suppress(TrainingFailed, Untrusted):
                self._laboratory.measurer.measure(subject, trained.seed, Split.SELECTION)
        except Cancelled:
            if self._laboratory.stopping.is_set():
                raise
        finally:
            with self._lock:
                self._in_training.discard(trained)
        if self._decided(number):
            self._laboratory.tidy(number)
        return True

    def _next(self) -> tuple[int, Trained] | None:
        """What a race asks for next: no further ahead of its seed than there are other workers."""
        measurer = self._laboratory.measurer
        with self._lock:
            for number, race in sorted(self._races.items()):
                near = list(dict.fromkeys(trained.seed for trained in race.coming))[: self._ahead + 1]
                for trained in (trained for trained in race.coming if trained.seed in near):
                    found = measurer.find(trained.commit, trained.seed, Split.SELECTION)
                    if found is None and trained not in self._helped:
                        self._helped.add(trained)
                        self._in_training.add(trained)
                        return number, trained
        return None

    def _decided(self, number: int) -> bool:
        record = self._laboratory.ledger.attempt(number)
        return record is not None and record.result_commit is not None
