"""Attempts go in rounds of as many as there are workers, so that a run hangs on its seed and not on timing.

Owns what an attempt may see of others, whom it waits for, and what a worker does while it waits: it trains
the next evidence seeds of those that race.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from agent.laboratory import Laboratory
from agent.measure import Cancelled, Subject, TrainingFailed, Untrusted
from environments.base import Split
from workspaces.workspace import Workspace

_LOOK_AGAIN_SECONDS = 0.1


@dataclass(frozen=True)
class Race:
    """An entrant: what is measured, the seed that its own worker is at, and the last that it may have."""

    subject: Subject
    seed: int
    last: int


class Rounds:
    """Who is at what in the present round. Safe from any thread."""

    def __init__(self, laboratory: Laboratory) -> None:
        self._laboratory = laboratory
        self._ahead = laboratory.settings.workers - 1
        self._lock = threading.Lock()
        self._screened: set[int] = set()
        self._races: dict[int, Race] = {}
        self._helped: set[tuple[int, int]] = set()
        self._in_training: set[tuple[int, int]] = set()

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
        """Note that an attempt's race is over, if it had one."""
        with self._lock:
            self._races.pop(number, None)

    def helped(self, number: int, seed: int) -> bool:
        """Whether another worker is training a seed of an attempt just now."""
        with self._lock:
            return (number, seed) in self._in_training

    def wait(self, until: Callable[[], bool], workspace: Workspace) -> None:
        """Come back once `until` holds; help whoever races in the meantime.

        Raises:
            Cancelled: the run is being stopped.
        """
        while not until():
            if self._laboratory.stopping.is_set():
                raise Cancelled("The run is being stopped.")
            if not self._help(workspace):
                self._laboratory.stopping.wait(_LOOK_AGAIN_SECONDS)

    def _help(self, workspace: Workspace) -> bool:
        """Measure the next seed that a race will ask for; what goes wrong its own worker finds again."""
        found = self._next()
        if found is None:
            return False
        number, race, seed = found
        subject = Subject(race.subject.commit, race.subject.folder, workspace)
        try:
            with suppress(TrainingFailed, Untrusted):
                self._laboratory.measurer.measure(subject, seed, Split.SELECTION)
        finally:
            with self._lock:
                self._in_training.discard((number, seed))
        if self._decided(number):
            self._laboratory.tidy(number)
        return True

    def _next(self) -> tuple[int, Race, int] | None:
        measurer = self._laboratory.measurer
        with self._lock:
            for number, race in sorted(self._races.items()):
                for seed in range(race.seed + 1, min(race.last, race.seed + self._ahead) + 1):
                    found = measurer.find(race.subject.commit, seed, Split.SELECTION)
                    if found is None and (number, seed) not in self._helped:
                        self._helped.add((number, seed))
                        self._in_training.add((number, seed))
                        return number, race, seed
        return None

    def _decided(self, number: int) -> bool:
        record = self._laboratory.ledger.attempt(number)
        return record is not None and record.result_commit is not None
