"""The end of a run: confirmation, ablation, closing paragraph and report; and doing parts of it again.

Owns their order and what there is time for; each is made in a room of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agent import ablation
from agent.budget import Budget, Reserve, longest_training, reserve, seconds_each
from agent.closing import InParallel
from agent.closing_seeds import measured_closing_seeds
from agent.confirm import CONFIRMATION_FILE, Confirming, confirm, read_confirmation, reopen
from agent.events import Observer
from agent.history import History
from agent.measure import Measurer
from agent.seeds import block_after, every_seed
from agent.settings import RunSettings
from agent.state_files import Clock, read_json
from agent.summary import RunSummary, summarise
from environments.base import Environment, Split
from workspaces.measurements import Measurement
from workspaces.review.report import write_report


@dataclass(frozen=True)
class Ending:
    """What is done with a run's winner, or without one."""

    directory: Path
    settings: RunSettings
    environment: Environment
    measurer: Measurer
    history: History
    observer: Observer
    in_parallel: InParallel
    clock: Clock

    def budget(self, baseline: Mapping[int, Measurement]) -> Budget:
        """What attempts may spend, so that the end can be paid for."""
        closing = measured_closing_seeds(self.directory, self.settings, self.environment).trainings
        kept_back = reserve(seconds_each(baseline), longest_training(baseline), closing, self.settings)
        return Budget(self.directory, self.settings, self.clock, kept_back)

    def finish(self, baseline: Mapping[int, Measurement]) -> RunSummary:
        """Confirm the winner, take it apart where there is time, and write what came of the run."""
        confirming = self._confirming()
        confirmation = confirm(confirming, self.in_parallel)
        if confirmation["winner"] is not None and self._affords_ablation(confirming, baseline):
            ablation.ablate(confirming, self.in_parallel)
        return self._close(confirmation)

    def confirm_again(self) -> RunSummary:
        """Set the confirmation aside and make another, on fresh seeds."""
        self._limit_cpu()
        reopen(self.directory)
        return self._close(confirm(self._confirming(), self.in_parallel))

    def ablate(self) -> str:
        """Leave each change out of the winner once; what came of it in one sentence."""
        self._limit_cpu()
        told = ablation.sentence(ablation.ablate(self._confirming(), self.in_parallel))
        if (self.directory / CONFIRMATION_FILE).exists():
            self._close(read_confirmation(self.directory / CONFIRMATION_FILE))
        return told

    def _limit_cpu(self) -> None:
        """Bound what a training may take by what the baseline took."""
        commit, seeds = self.measurer.ledger.tags()["baseline"], every_seed(self.settings.seeds)
        measured = list(self.history.measurements(commit, Split.SELECTION, seeds).values())
        if measured:
            self.measurer.limit_cpu(measured)

    def _close(self, confirmation: dict[str, Any]) -> RunSummary:
        left_out = self.directory / ablation.ABLATION_FILE
        told = ablation.sentence(ablation.read_ablation(left_out)) if left_out.exists() else None
        ledger = self.measurer.ledger
        self.clock.save()
        summary = summarise(self.directory, self.settings, ledger, confirmation, told)
        write_report(
            self.directory,
            self.settings.model_dump(mode="json", exclude={"secret"}),
            ledger.attempts(),
            read_json(self.directory / "baseline.json"),
            confirmation,
        )
        return summary

    def _confirming(self) -> Confirming:
        return Confirming(
            self.directory,
            self.settings,
            self.environment,
            self.measurer.ledger,
            self.measurer,
            self.history,
            self.observer,
            every_seed(self.settings.seeds, block_after(self.history.race_outcomes())),
            measured_closing_seeds(self.directory, self.settings, self.environment),
        )

    def _affords_ablation(self, confirming: Confirming, baseline: Mapping[int, Measurement]) -> bool:
        """Whether what is left of time and training seconds, if they are bounded, is enough for it."""
        trainings = (len(ablation.parts_of(confirming)) + 1) * ablation.ABLATION_SEEDS
        needed = Reserve(
            trainings * seconds_each(baseline) / self.settings.workers, trainings * longest_training(baseline)
        )
        return replace(self.budget(baseline), kept_back=needed).used_up_training() is None
