"""One assessment from what was asked to its record: opened, walked, written, drawn.

Owns the folder of an assessment; the same question asked again goes on there, or finds its answer.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from agent.assess.assessing import Asked, Assessing
from agent.assess.bench import Bench
from agent.assess.record import RECORD_FILE, Record, folder_of, record_of
from agent.assess.report import write_report
from agent.events import Message, Observer
from agent.opening import opened
from agent.ownership import owned
from agent.settings import TrainingSettings
from environments.base import SzilardError
from environments.registry import load


@dataclass(frozen=True)
class Answered:
    """A record, the folder that it lies in, and whether it was there before."""

    record: Record
    folder: Path
    known: bool


def assessed(settings: TrainingSettings, asked: Asked, runs: Path, observer: Observer) -> Answered:
    """Assess a domain, unless the same was asked before and nothing of the domain has changed.

    Raises:
        Interrupted: stopped by Ctrl-C or SIGTERM; the same command goes on.
        SzilardError: what a user can mend, in one sentence.
    """
    environment = load(settings.environment, settings.policy)
    if not environment.spec.trains_policy:
        raise SzilardError(
            f"{environment.spec.name} trains no policy, and the probes edit, degrade and score policies. "
            "`szilard run` asks of its baseline what can be asked of commands, before the first attempt."
        )
    bench = folder_of(environment, runs) / f"{settings.metric}-{settings.direction}-seed-{settings.seed}"
    folder = bench / _name(asked)
    path = folder / RECORD_FILE
    if path.exists():
        return Answered(Record.read(path), folder, known=True)
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with owned(bench), opened(bench, settings, observer) as found:
        finished = Assessing(Bench(bench, settings, found), asked).to_the_end()
    record = record_of(
        environment,
        finished,
        metric=settings.metric,
        form=asked.form,
        seed=settings.seed,
        hours=asked.hours,
        effect=asked.effect,
        seconds=time.monotonic() - began,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    write_report(record, folder)
    record.write(path)
    observer(Message(f"Assessed in {record.seconds:.0f} s with {record.trainings} trainings."))
    return Answered(record, folder, known=False)


def _name(asked: Asked) -> str:
    """What else decides the answer: trainings are shared by all that differ in this alone."""
    effect = "" if asked.effect is None else f"-effect-{asked.effect:g}"
    return f"{asked.form}-{asked.hours:g}h{effect}"
