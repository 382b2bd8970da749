"""The trainings at the end of a run: codes side by side on given seeds, a line for whoever watches for each.

Owns their measuring and telling; which codes, on which seeds and why is said by who asks.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.events import Message, Observer, Phase, Progress
from agent.failures import TrainingFailed, Untrusted
from agent.measure import Measurer
from agent.training import Subject
from environments.base import Split
from workspaces.workspace import Workspace

InParallel = Callable[[Callable[[int, Workspace], None], list[int]], None]


@dataclass(frozen=True)
class ClosingTraining:
    """One training: the label of its code, what is trained where, and the phase that it belongs to."""

    label: str
    commit: str
    folder: Path
    seed: int
    phase: Phase


def measure_all(
    measurer: Measurer,
    observer: Observer,
    trainings: Sequence[ClosingTraining],
    split: Split,
    in_parallel: InParallel,
) -> None:
    """Measure what is not measured yet; one that fails is told of and passed over."""
    ended = itertools.count(1)

    def measure(index: int, workspace: Workspace) -> None:
        one = trainings[index]
        subject = Subject(one.commit, one.folder, workspace)
        try:
            measured = measurer.trusted(measurer.measure, subject, one.seed, split)
        except (TrainingFailed, Untrusted) as error:
            next(ended)
            observer(Message(f"  {one.label}, seed {one.seed}: not measured ({error})"))
            return
        metric = measured.score.metrics[measurer.settings.metric]
        observer(
            Progress(
                attempt=0,
                phase=one.phase,
                detail=f"{next(ended)} of {len(trainings)}: {one.label}, seed {one.seed}",
                score=metric.value,
                standard_error=metric.standard_error,
                entropy=measured.entropy_end,
            )
        )

    in_parallel(measure, list(range(len(trainings))))
