"""From the ledger to the forecast: whose snapshots are held against whose, and when nothing is watched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from agent.forecast import AUDITED, LEAST_SEEN
from agent.foresight import Foresight
from agent.laboratory import Laboratory
from agent.measurement_keys import snapshot_key
from agent.watch import Watch
from environments.base import Metric, Score, Split
from tests.agent.a_laboratory import build_laboratory, propose, put_scores
from workspaces.measurements import Measurement

UPDATES = (20, 40)


def laboratory_with_updates(directory: Path) -> Laboratory:
    laboratory = build_laboratory(directory)
    return replace(laboratory, spec=replace(laboratory.spec, budget={"tokens": 1, "updates": 100}))


def put_snapshots(laboratory: Laboratory, code: str, value: float, metric: str = "S") -> None:
    for updates in UPDATES:
        key = snapshot_key(laboratory.measurer.key(code, 0, Split.SELECTION), updates)
        score = Score(metric, {metric: Metric(value)})
        laboratory.measurer.store.put(
            Measurement(key, score, f"{code} {updates}", 1.0, 0.0, 0.1, None, None, 0, None)
        )


def complete(laboratory: Laboratory, numbers: range) -> None:
    """Attempts whose snapshots lag as far as they do in the end."""
    for number in numbers:
        code = propose(laboratory, number)
        lag = -0.01 * (number % 4)
        put_scores(laboratory, code, [0.5 + lag])
        put_snapshots(laboratory, code, 0.4 + lag + 0.0001 * number)
        laboratory.ledger.commit_result(number, verdict="reverted", reason="screened out", trailers={})


def watch_when_enough_was_seen(directory: Path, number: int) -> Watch:
    laboratory = laboratory_with_updates(directory)
    put_snapshots(laboratory, laboratory.baseline, 0.4)
    complete(laboratory, range(1, LEAST_SEEN + 1))
    watch = Foresight(laboratory).watch(number, 0, laboratory.baseline)
    assert watch is not None
    return watch


def test_where_the_comparator_left_no_snapshots_they_are_kept_and_nothing_is_stopped(tmp_path: Path) -> None:
    laboratory = laboratory_with_updates(tmp_path)
    watch = Foresight(laboratory).watch(1, 0, laboratory.baseline)
    assert watch is not None
    assert watch.updates == UPDATES
    assert watch.judge(20, Score("S", {"S": Metric(-1.0)})) is None


def test_nothing_is_watched_where_trainings_count_no_updates(tmp_path: Path) -> None:
    laboratory = build_laboratory(tmp_path)
    assert Foresight(laboratory).watch(1, 0, laboratory.baseline) is None


def test_what_lags_far_behind_is_hopeless_and_what_keeps_up_is_not(tmp_path: Path) -> None:
    watch = watch_when_enough_was_seen(tmp_path, LEAST_SEEN + 1)
    assert watch.updates == UPDATES
    reason = watch.judge(20, Score("S", {"S": Metric(0.2)}))
    assert reason is not None
    assert "-0.200 after 20 updates" in reason
    assert watch.judge(20, Score("S", {"S": Metric(0.42)})) is None


def test_an_audited_attempt_is_watched_but_never_stopped(tmp_path: Path) -> None:
    watch = watch_when_enough_was_seen(tmp_path, AUDITED)
    assert watch.judge(20, Score("S", {"S": Metric(0.2)})) is None


def test_a_snapshot_that_says_nothing_of_the_metric_foretells_nothing(tmp_path: Path) -> None:
    watch = watch_when_enough_was_seen(tmp_path, LEAST_SEEN + 1)
    assert watch.judge(20, Score("other", {"other": Metric(0.0)})) is None
    assert watch.judge(20, Score("S", {"S": Metric(float("nan"))})) is None
