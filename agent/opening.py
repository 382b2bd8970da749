"""A folder of trainings, a run's or a comparison's, opened for work.

Owns what must be there while anything is measured, and gone afterwards: the executor, scorer, signals.
"""

from __future__ import annotations

import ctypes
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.events import Event, Observer
from agent.measure import Measurer
from agent.measurement_keys import policy_hash
from agent.scorer import Scorer
from agent.settings import TrainingSettings
from environments.base import Environment, SzilardError
from environments.registry import load
from workspaces.executors.local import LocalExecutor
from workspaces.ledger import Ledger
from workspaces.measurements import MeasurementStore
from workspaces.sandbox import choose_sandbox

REPOSITORY = "repository"
M_ARENA_MAX = -8


class Interrupted(SzilardError):
    """The run was stopped cleanly; everything finished is in the ledger."""


@dataclass(frozen=True)
class Opened:
    """What an opened run works with; `tell` may be called from any thread."""

    environment: Environment
    measurer: Measurer
    tell: Observer


@contextmanager
def opened(
    directory: Path,
    settings: TrainingSettings,
    observer: Observer,
    added: Mapping[str, Path] | None = None,
) -> Iterator[Opened]:
    """A run with its executor and scorer; both are gone when this ends, however it ends.

    `added` are files of the baseline beside the template's: path inside -> file.

    Raises:
        Interrupted: stopped by Ctrl-C or SIGTERM inside.
        SzilardError: the environment is of another version, or no sandbox passes its probe.
    """
    environment = environment_of(directory, settings)
    _share_memory()
    lock = threading.Lock()

    def tell(event: Event) -> None:
        with lock:
            observer(event)

    spec = environment.spec
    ledger = Ledger.create(
        directory / REPOSITORY,
        {**environment.workspace_template(), **(added or {})},
        message=f"Baseline: the {spec.name} template as it is\n\nGoal: {settings.goal}",
    )
    devices = _devices() if settings.device == "cuda" else ("cpu",)
    executor = LocalExecutor(choose_sandbox(settings.sandbox), settings.workers, devices)
    scorer = Scorer(settings.environment, settings.workers, settings.policy)
    store = MeasurementStore(directory / "measurements")
    previous = signal.signal(signal.SIGTERM, _as_interrupt) if _in_main_thread() else None
    try:
        measurer = Measurer(settings, environment, ledger, store, executor, scorer)
        yield Opened(environment, measurer, tell)
    except KeyboardInterrupt:
        raise Interrupted("Stopped.") from None
    finally:
        scorer.close()
        executor.close()
        if previous is not None:
            signal.signal(signal.SIGTERM, previous)


def environment_of(directory: Path, settings: TrainingSettings) -> Environment:
    """The domain of a run.

    Raises:
        SzilardError: it cannot be had in the version that the run was made with.
    """
    environment = load(settings.environment, settings.policy)
    if environment.spec.version != settings.environment_version:
        raise SzilardError(
            f"{directory} was made with {settings.environment} version {settings.environment_version}, "
            f"installed is {environment.spec.version}: their scores cannot be compared. Start a new run."
        )
    if settings.policy is not None and policy_hash(environment) != settings.policy_hash:
        raise SzilardError(
            f"{directory} was made with another policy than the one that lies in {settings.policy} now: "
            "put the old one back, or start a new run."
        )
    return environment


def _share_memory() -> None:
    """Let all threads allocate from one arena: glibc gives each its own, and keeps the most it ever held."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


def _devices() -> tuple[str, ...]:
    import torch

    return tuple(f"cuda:{index}" for index in range(torch.cuda.device_count()))


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _as_interrupt(*_: Any) -> None:
    raise KeyboardInterrupt
