"""What every attempt of a run works with, and what a researcher is shown of it.

Owns the shared parts and the context of a proposal; the steps of an attempt are in `attempt`.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from agent.attempt_folder import AttemptFolder
from agent.budget import remaining
from agent.diagnosing import diagnosis_text
from agent.events import Observer
from agent.history import History
from agent.last_failure import last_failure
from agent.measure import Measurer
from agent.researchers.base import Context, HistoryEntry, Researcher
from agent.search import hill_climb, tree
from agent.search.plateau import stalled
from agent.seeds import BRANCHED, SCREENING_SEED, block_after, every_seed
from agent.settings import RunSettings
from agent.state_files import read_json
from environments.base import EnvironmentSpec, matches
from evaluators.significance import paired_interval
from workspaces.ledger import Ledger
from workspaces.remarks import Remark, read_remarks
from workspaces.review.record import BASELINE_FILE


@dataclass(frozen=True)
class Standing:
    """Where an attempt begins: what it is built on, and what it has to beat; 0 is the baseline."""

    parent: int
    parent_commit: str
    comparator: int
    comparator_commit: str


@dataclass(frozen=True)
class Laboratory:
    """The rooms of one run. `noise` is the seed standard deviation of the baseline's metric."""

    directory: Path
    settings: RunSettings
    spec: EnvironmentSpec
    ledger: Ledger
    measurer: Measurer
    history: History
    researcher: Researcher
    observer: Observer
    noise: float
    lock: threading.RLock
    stopping: threading.Event

    def folder(self, number: int) -> AttemptFolder:
        return AttemptFolder(self.directory, number)

    @property
    def seeds(self) -> range:
        """Every seed index that an arm may have been measured on."""
        return every_seed(self.settings.seeds, block_after([*self.history.race_outcomes(), BRANCHED]))

    @property
    def baseline(self) -> str:
        """The baseline's commit."""
        return self.ledger.tags()["baseline"]

    def round_of(self, number: int) -> range:
        """The attempts of the same round: as many as there are workers."""
        start, workers = self.settings.stretch_before(number), self.settings.workers
        first = start + (number - 1 - start) // workers * workers + 1
        return range(first, first + workers)

    def horizon(self, number: int) -> int:
        """The last attempt of the rounds that were over before that of `number`: it may see their results."""
        under_way = (self.settings.rounds_at_once - 1) * self.settings.workers
        return max(self.settings.stretch_before(number), self.round_of(number).start - 1 - under_way)

    def shown_to(self, number: int) -> range:
        """The attempts since its horizon whose code a proposal is shown: all before it, but where a round is
        proposed ahead none of its own, since it is proposed at once.
        """
        ahead = self.settings.rounds_at_once > 1
        return range(self.horizon(number) + 1, self.round_of(number).start if ahead else number)

    def tidy(self, number: int) -> None:
        """Delete the policies of an attempt that was not kept, unless they are asked for."""
        record = self.ledger.attempt(number)
        if not self.settings.keep_policies and record is not None and record.verdict != "kept":
            self.folder(number).delete_policies()

    def standing_of(self, number: int) -> Standing:
        """What a new attempt is built on, by the run's search, and the incumbent that it has to beat.

        All attempts that it is shown must have their code in the ledger.
        """
        if self.folder(number).reapplies is not None:
            incumbent, commit = self.history.incumbent_number(), self.ledger.incumbent()
            return Standing(incumbent, commit, incumbent, commit)
        return self.standing_for(number, climbing=self.folder(number).offered is not None)

    def standing_for(self, number: int, *, climbing: bool = False) -> Standing:
        """The same for one that has no folder yet; `climbing`: on the incumbent whatever the search."""
        history = self._seen(number)
        comparator = parent = hill_climb.select(history)
        if self.settings.search == "tree" and not climbing:
            parent = tree.select(history, self.spec.better)
        return Standing(parent, self._result_of(parent), comparator, self._result_of(comparator))

    def _seen(self, number: int) -> list[HistoryEntry]:
        """What attempt `number` may know of: the baseline, results up to its horizon, and the code of what it
        is shown beyond, as in flight whether it is or not.
        """
        seen = self.horizon(number)
        records = [
            record if record.number <= seen else replace(record, verdict=None, reason=None, trailers={})
            for record in self.ledger.attempts()
            if record.number < self.shown_to(number).stop
        ]
        baseline = self.history.baseline_entry(self.settings.metric, every_seed(self.settings.seeds))
        return [baseline, *self.history.entries(records)]

    def context(self, number: int, parent: int, commit: str) -> Context:
        """Everything that a researcher is shown for attempt `number` on `parent`."""
        history = self._seen(number)
        baseline, *entries = history
        comparator = hill_climb.select(history)
        incumbent = next(entry for entry in history if entry.number == comparator)
        files = self._editable_files(commit)
        return Context(
            goal=self.settings.goal,
            spec=self.spec,
            attempt=number,
            attempts=self.settings.allowed.attempts,
            seed=self.measurer.derived.number(f"propose:{self.settings.seed}:{number}"),
            parent=parent,
            files=files,
            protected_files=self._protected_files(commit, files),
            baseline=baseline,
            incumbent=incumbent,
            history=tuple(entries),
            noise=self.noise,
            diagnostics=self._diagnostics(incumbent.number),
            detectable=self._detectable(),
            score_interval=self._score_interval(comparator, self._result_of(comparator)),
            budget_left=remaining(self.directory, self.settings, self.horizon(number)),
            last_failure=last_failure(self.directory, entries),
            remarks=self._remarks(number),
            stalled=stalled(entries),
        )

    def _result_of(self, number: int) -> str:
        """The commit of an attempt's result, or the baseline's."""
        record = self.ledger.attempt(number) if number else None
        commit = record.result_commit if record is not None else None
        return commit or self.baseline

    def _diagnostics(self, number: int) -> str:
        return diagnosis_text(self.history, self.directory, number, self._result_of(number))

    def _detectable(self) -> float | None:
        """The smallest gain that the run is likely to find, as it was reckoned with the baseline."""
        path = self.directory / BASELINE_FILE
        return read_json(path).get("detectable") if path.exists() else None

    def _score_interval(self, number: int, commit: str) -> tuple[float, float] | None:
        """Of the mean score over the seeds that the verdict on an attempt rests on."""
        seeds = self.history.verdict_seeds(commit) if number else every_seed(self.settings.seeds)
        evidence = [seed for seed in seeds if seed != SCREENING_SEED or not number]
        values = [value for value, _ in self.history.figures(commit, self.settings.metric, evidence)]
        return paired_interval(values) if len(values) > 1 else None

    def _remarks(self, number: int) -> tuple[Remark, ...]:
        """What a person had said when the attempt was first proposed, or until now.

        A run that replays another's replies hears what was said to that one: the questions are the same.
        """
        run = Path(self.settings.replays or self.directory)
        remarks = read_remarks(run)
        asked = (run / "attempts" / f"{number:04d}").exists()
        heard = AttemptFolder(run, number).heard if asked else None
        return remarks if heard is None else remarks[:heard]

    def _editable_files(self, commit: str) -> Mapping[str, str]:
        found = self.history.files(commit)
        return {path: text for path, text in found.items() if not matches(path, self.spec.protected)}

    def _protected_files(self, commit: str, editable: Mapping[str, str]) -> Mapping[str, str]:
        """What may be read and not changed: in a foreign repository all that is not editable."""
        if self.spec.trains_policy:
            return self.ledger.files(commit, self.spec.protected)
        return {path: text for path, text in self.ledger.files(commit).items() if path not in editable}
