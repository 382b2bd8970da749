"""What a run foresees of an attempt: its snapshots held against those of attempts trained to their end.

Owns the way from the ledger and the measurements to the forecast and back to an attempt's trailers; the rule
is `forecast`'s. All is read anew from what earlier rounds left, so that a resumed run foresees the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from agent.decision import ENTERS_WITH, SCREENING_DEVIATION, screening_change
from agent.forecast import (
    Completed,
    WorthKeeping,
    false_stops,
    forecast,
    is_audited,
    is_trusted,
    least_hopeful,
    updates_of,
    written,
)
from agent.laboratory import Laboratory
from agent.noise import reach_of
from agent.seeds import SCREENING_SEED, seed_plan
from agent.watch import Watch
from environments.base import EnvironmentSpec, Score, Split
from workspaces.measurements import Measurement
from workspaces.review.text import signed


class Foresight:
    """The forecasts of one run, from any thread. Changes are in units of the metric, positive is better."""

    def __init__(self, laboratory: Laboratory) -> None:
        self._laboratory = laboratory
        self._scores: dict[tuple[str, int], Score] = {}
        self._seen: dict[tuple[str, str], Completed] = {}
        self._updates = updates_of(laboratory.spec.budget.get("updates", 1))

    def watch(self, number: int, comparator: str) -> Watch | None:
        """The watch over an attempt's screening seed; None where its comparator left no snapshots."""
        if any(self._snapshot(comparator, updates) is None for updates in self._updates):
            return None
        completed = self.completed(number)
        worth = self.worth_keeping()
        trusted = is_trusted(completed, worth) and not is_audited(number)

        def judge(updates: int, score: Score) -> str | None:
            change = self._change(score, comparator, updates)
            least = least_hopeful(completed, updates, worth) if trusted else None
            if change is None or least is None or change >= least:
                return None
            return (
                f"no gain in sight: {signed(change)} after {updates} updates, on a part of the selection "
                f"tasks, where {len(completed)} attempts let {signed(least)} be expected of one worth keeping"
            )

        return Watch(self._updates, judge)

    def worth_keeping(self) -> WorthKeeping:
        noise = self._laboratory.noise
        return WorthKeeping(
            gain=reach_of(noise, self._laboratory.settings).detectable,
            deviation=SCREENING_DEVIATION * noise,
            bar=ENTERS_WITH * noise,
        )

    def trailers(self, number: int, code: str, parent: int) -> Mapping[str, str]:
        """What the snapshots of an attempt showed and foretold, as trailers of its result."""
        comparator = self._results().get(parent)
        changes = self._changes(code, comparator) if comparator is not None else {}
        if not changes:
            return {}
        trailers = {"Snapshot-Changes": ", ".join(f"{n}: {value:+.5f}" for n, value in changes.items())}
        last, completed, worth = max(changes), self.completed(number), self.worth_keeping()
        found = forecast(completed, last, changes[last])
        if found is not None:
            trailers["Forecast"] = written(found)
            wrong, reached = false_stops(completed, worth)
            trailers["Forecast-Calibration"] = (
                f"would have stopped {wrong} of {reached} attempts that reached the gain"
                + ("" if is_trusted(completed, worth) else ": stops nothing")
            )
        trailers["Train-Seconds"] = f"{self.measurements(code)[-1].wall_seconds:.1f}"
        return trailers

    def measurements(self, code: str) -> list[Measurement]:
        """What the snapshots of a code scored, in the order of its training."""
        measurer = self._laboratory.measurer
        found = [measurer.find_snapshot(code, SCREENING_SEED, updates) for updates in self._updates]
        return [measurement for measurement in found if measurement is not None]

    def _results(self) -> dict[int, str]:
        """Attempt number -> its result commit; 0 is the baseline."""
        found = {0: self._laboratory.baseline}
        for record in self._laboratory.ledger.attempts():
            if record.result_commit is not None:
                found[record.number] = record.result_commit
        return found

    def completed(self, number: int) -> list[Completed]:
        """The attempts of the rounds before that of `number` that were trained to their end."""
        last = self._laboratory.horizon(number)
        return [one for other, one in self.trained_to_their_end().items() if other <= last]

    def trained_to_their_end(self) -> dict[int, Completed]:
        """The attempts that were, and that left snapshots: number -> what they showed."""
        results, found = self._results(), {}
        for record in self._laboratory.ledger.attempts():
            parent = results.get(record.parent)
            completed = self._of(record.code_commit, parent) if record.code_commit and parent else None
            if completed is not None:
                found[record.number] = completed
        return found

    def _of(self, code: str, comparator: str) -> Completed | None:
        """What a code showed against a comparator; measurements do not change, so each is read once."""
        if (code, comparator) not in self._seen:
            screening, changes = self._screening(code, comparator), self._changes(code, comparator)
            if screening is None or not changes:
                return None
            self._seen[code, comparator] = Completed(changes, screening)
        return self._seen[code, comparator]

    def _screening(self, code: str, comparator: str) -> float | None:
        history, settings = self._laboratory.history, self._laboratory.settings
        plan = seed_plan(settings.seeds)
        attempt = history.arm(code, Split.SELECTION, [SCREENING_SEED])
        other = history.arm(comparator, Split.SELECTION, plan.screening)
        if not (SCREENING_SEED in attempt.scores and SCREENING_SEED in other.scores):
            return None
        change = self._laboratory.spec.better(screening_change(attempt, other, settings.metric, plan))
        return change if math.isfinite(change) else None

    def _changes(self, code: str, comparator: str) -> dict[int, float]:
        scores = {updates: self._snapshot(code, updates) for updates in self._updates}
        changes = {
            updates: self._change(score, comparator, updates)
            for updates, score in scores.items()
            if score is not None
        }
        return {updates: change for updates, change in changes.items() if change is not None}

    def _change(self, score: Score, comparator: str, updates: int) -> float | None:
        other, metric = self._snapshot(comparator, updates), self._laboratory.settings.metric
        if other is None or metric not in score.metrics or metric not in other.metrics:
            return None
        change = self._laboratory.spec.better(score.metrics[metric].value - other.metrics[metric].value)
        return change if math.isfinite(change) else None

    def _snapshot(self, commit: str, updates: int) -> Score | None:
        if (commit, updates) not in self._scores:
            found = self._laboratory.measurer.find_snapshot(commit, SCREENING_SEED, updates)
            if found is None:
                return None
            self._scores[commit, updates] = found.score
        return self._scores[commit, updates]


def watch_only(spec: EnvironmentSpec) -> Watch | None:
    """The watch over a training that others are held against; None where trainings count no updates."""
    updates = spec.budget.get("updates")
    return Watch(updates_of(updates), lambda *_: None) if updates else None
