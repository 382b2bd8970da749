"""What a run foresees of an attempt: its snapshots held against those of attempts trained to their end.

Owns the way from the ledger and the measurements to the forecast and back to an attempt's trailers; the rule
is `forecast`'s. All is read anew from what earlier rounds left, so that a resumed run foresees the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from agent.arms import Arm
from agent.decision import screening_change
from agent.forecast import (
    CHANCE,
    SHARES,
    Completed,
    WorthKeeping,
    bounds_against,
    false_stops,
    forecast,
    is_trusted,
    written,
)
from agent.laboratory import Laboratory
from agent.noise import reach_of
from agent.seeds import SCREENING_SEED, seed_plan
from agent.watch import Watch, snapshots_of
from environments.base import EnvironmentSpec, Score, Split
from workspaces.measurements import Measurement
from workspaces.review.text import signed


class Foresight:
    """The forecasts of one run, from any thread. Changes are in units of the metric, positive is better."""

    def __init__(self, laboratory: Laboratory) -> None:
        self._laboratory = laboratory
        self._snapshots: dict[tuple[str, int], Measurement] = {}
        self._screened: dict[str, Arm] = {}
        self._seen: dict[tuple[str, str], Completed] = {}
        self._updates = snapshots_of(laboratory.spec)

    def watch(self, number: int, against: int, comparator: str) -> Watch | None:
        """The watch over an attempt's screening seed; None where trainings leave no snapshots.

        Where its comparator left none, the attempt's are only kept: it may be a comparator itself.
        """
        if not self._updates or any(self._snapshot(comparator, at) is None for at in self._updates):
            return watch_only(self._laboratory.spec)
        completed = self.completed(number)
        worth = self.worth_keeping()
        bounds = bounds_against(number, completed, against, self._updates, worth)

        def judge(updates: int, score: Score) -> str | None:
            change, least = self._change(score, comparator, updates), bounds.get(updates)
            if change is None or least is None or change >= least:
                return None
            return (
                f"no gain in sight: {signed(change)} after {updates} updates, on a part of the selection "
                f"tasks; by {len(completed)} attempts, one that gains {signed(worth.gain)} shows at least "
                f"{signed(least)} there in {1 - CHANCE / len(SHARES):.1%} of cases"
            )

        return Watch(self._updates, judge)

    def worth_keeping(self) -> WorthKeeping:
        noise = self._laboratory.noise
        return WorthKeeping.at(reach_of(noise, self._laboratory.settings).detectable, noise)

    def trailers(self, number: int, code: str, against: int) -> Mapping[str, str]:
        """What the snapshots of an attempt showed and foretold, as trailers of its result."""
        comparator = self._results().get(against)
        changes = self._changes(code, comparator) if comparator is not None else {}
        if not changes:
            return {}
        trailers = {"Snapshot-Changes": ", ".join(f"{n}: {value:+.5f}" for n, value in changes.items())}
        last, completed = max(changes), self.completed(number)
        found = forecast(completed, against, last, changes[last])
        if found is not None:
            trailers["Forecast"] = written(found)
            wrong, reached = false_stops(completed, self.worth_keeping())
            trailers["Forecast-Calibration"] = (
                f"would have stopped {wrong} of {reached} attempts that reached the gain"
                + ("" if is_trusted(wrong, reached) else ": stops nothing")
            )
        trailers["Train-Seconds"] = f"{self.measurements(code)[-1].wall_seconds:.1f}"
        return trailers

    def measurements(self, code: str) -> list[Measurement]:
        """What the snapshots of a code scored, in the order of its training."""
        found = [self._snapshot(code, updates) for updates in self._updates]
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
            comparator = results.get(record.compared_with)
            if record.code_commit is None or comparator is None:
                continue
            completed = self._of(record.code_commit, record.compared_with, comparator)
            if completed is not None:
                found[record.number] = completed
        return found

    def _of(self, code: str, against: int, comparator: str) -> Completed | None:
        """What a code showed against a comparator; measurements do not change, so each is read once."""
        if (code, comparator) not in self._seen:
            changes = self._changes(code, comparator)
            screening = self._screening(code, comparator) if changes else None
            if screening is None:
                return None
            self._seen[code, comparator] = Completed(changes, screening, against)
        return self._seen[code, comparator]

    def _screening(self, code: str, comparator: str) -> float | None:
        plan = seed_plan(self._laboratory.settings.seeds)
        attempt = self._laboratory.history.arm(code, Split.SELECTION, [SCREENING_SEED])
        if SCREENING_SEED not in attempt.scores:
            return None
        if comparator not in self._screened:
            self._screened[comparator] = self._laboratory.history.arm(
                comparator, Split.SELECTION, plan.screening
            )
        other, metric = self._screened[comparator], self._laboratory.settings.metric
        if SCREENING_SEED not in other.scores:
            return None
        change = self._laboratory.spec.better(screening_change(attempt, other, metric, plan))
        return change if math.isfinite(change) else None

    def _changes(self, code: str, comparator: str) -> dict[int, float]:
        found = {updates: self._snapshot(code, updates) for updates in self._updates}
        changes = {
            updates: self._change(measurement.score, comparator, updates)
            for updates, measurement in found.items()
            if measurement is not None
        }
        return {updates: change for updates, change in changes.items() if change is not None}

    def _change(self, score: Score, comparator: str, updates: int) -> float | None:
        other, metric = self._snapshot(comparator, updates), self._laboratory.settings.metric
        if other is None or metric not in score.metrics or metric not in other.score.metrics:
            return None
        value, usual = score.metrics[metric].value, other.score.metrics[metric].value
        change = self._laboratory.spec.better(value - usual)
        return change if math.isfinite(change) else None

    def _snapshot(self, commit: str, updates: int) -> Measurement | None:
        if (commit, updates) not in self._snapshots:
            found = self._laboratory.measurer.find_snapshot(commit, SCREENING_SEED, updates)
            if found is None:
                return None
            self._snapshots[commit, updates] = found
        return self._snapshots[commit, updates]


def watch_only(spec: EnvironmentSpec) -> Watch | None:
    """The watch over a training that others are held against; None where trainings count no updates."""
    updates = snapshots_of(spec)
    return Watch(updates, lambda *_: None) if updates else None
