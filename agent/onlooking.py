"""A run opened for who only reads it: running, finished or killed, and left as it is.

Owns the opening. What it gives has no executor, so that nothing can be trained with it.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import NoReturn

from agent.history import History
from agent.laboratory import Laboratory
from agent.measure import Measurer
from agent.opening import REPOSITORY, environment_of
from agent.researchers.catalogue import CatalogueResearcher
from agent.run import spec_in_force
from agent.scorer import Scorer
from agent.settings import RunSettings
from agent.state_files import read_json
from environments.base import SzilardError
from workspaces.ledger import Ledger
from workspaces.measurements import MeasurementStore
from workspaces.review.record import BASELINE_FILE


class NothingToSee(SzilardError):
    """A run that has not come far enough for what is asked of it."""


class _NoExecutor:
    """Runs no job."""

    def submit(self, job: object) -> NoReturn:
        raise RuntimeError("a run that is only read trains nothing")

    wait = cancel = submit

    def close(self) -> None:
        return None


def onlooking(directory: Path) -> Laboratory:
    """What attempts of the run work with, for reading.

    Raises:
        NothingToSee: its baseline is not measured yet.
        SzilardError: no run lives there, or its domain cannot be had as it was.
    """
    settings = RunSettings.read(directory)
    if not (directory / BASELINE_FILE).exists():
        raise NothingToSee(
            f"{directory} has no measured baseline yet, so nobody was or can be asked for a proposal. "
            f"Go on with `szilard resume {directory}`."
        )
    noise = float(read_json(directory / BASELINE_FILE, "noise")["noise"])
    environment = environment_of(directory, settings)
    ledger = Ledger.open(directory / REPOSITORY)
    store = MeasurementStore(directory / "measurements")
    scorer = Scorer(settings.environment, 1, settings.policy)
    measurer = Measurer(settings, environment, ledger, store, _NoExecutor(), scorer)
    ends = [one.after for one in settings.extensions]
    return Laboratory(
        directory=directory,
        settings=settings,
        spec=spec_in_force(environment.spec, settings),
        ledger=ledger,
        measurer=measurer,
        history=History(ledger, measurer, environment.spec.editable, ends),
        researcher=CatalogueResearcher(),
        observer=lambda event: None,
        noise=noise,
        lock=threading.RLock(),
        stopping=threading.Event(),
    )
