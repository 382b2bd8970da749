"""The forecast in simulated runs: what it stops, what it may not stop, and when it stops nothing."""

from __future__ import annotations

import numpy as np
import pytest

from agent.forecast import (
    LEAST_SEEN,
    Completed,
    WorthKeeping,
    false_stops,
    forecast,
    is_audited,
    is_trusted,
    known_bounds,
    least_hopeful,
    read_forecast,
    stopped_after,
    updates_of,
    written,
)

WORTH = WorthKeeping(gain=0.012, deviation=0.009, bar=0.003)
EARLY, LATE = 60, 120


def attempt(rng: np.random.Generator, screening: float, comparator: int = 0) -> Completed:
    snapshots = {
        EARLY: 0.8 * screening + float(rng.normal(0.0, 0.012)),
        LATE: 0.9 * screening + float(rng.normal(0.0, 0.008)),
    }
    return Completed(snapshots, screening, comparator)


def any_attempt(rng: np.random.Generator) -> Completed:
    return attempt(rng, float(rng.normal(-0.015, 0.02)))


def one_worth_keeping(rng: np.random.Generator, gain: float) -> Completed:
    screening = -1.0
    while screening < WORTH.bar:
        screening = float(rng.normal(gain, WORTH.deviation))
    return attempt(rng, screening)


def stops(completed: list[Completed], one: Completed) -> bool:
    return (
        stopped_after(one.snapshots, known_bounds(completed, one.comparator, one.snapshots, WORTH))
        is not None
    )


@pytest.mark.parametrize(("seen", "gain"), [(LEAST_SEEN, 0.012), (25, 0.012), (12, 0.02)])
def test_of_those_worth_keeping_no_more_are_stopped_than_may_be(seen: int, gain: float) -> None:
    rng = np.random.default_rng(seen)
    runs = 400
    stopped = [
        stops([any_attempt(rng) for _ in range(seen)], one_worth_keeping(rng, gain)) for _ in range(runs)
    ]
    assert np.mean(stopped) <= 0.05 + 2 * (0.05 * 0.95 / runs) ** 0.5


@pytest.mark.parametrize("seen", [3, 6, 12])
def test_the_luck_of_a_new_comparator_stops_nobody_worth_keeping(seen: int) -> None:
    rng = np.random.default_rng(seen)
    runs, wrong = 600, 0
    for _ in range(runs):
        of_snapshots, of_screening = rng.normal(0.0, 0.02), rng.normal(0.0, 0.005)
        before = [any_attempt(rng) for _ in range(12)]
        since = [shifted(any_attempt(rng), of_snapshots, of_screening) for _ in range(seen)]
        one = shifted(one_worth_keeping(rng, WORTH.gain), of_snapshots, 0.0)
        wrong += stops([*before, *since], one)
    assert wrong / runs <= 0.05 + 2 * (0.05 * 0.95 / runs) ** 0.5


def shifted(one: Completed, of_snapshots: float, of_screening: float) -> Completed:
    """The same against comparator 1, whose own trainings were luckier or not."""
    snapshots = {updates: value - of_snapshots for updates, value in one.snapshots.items()}
    return Completed(snapshots, one.screening - of_screening, 1)


def test_a_comparator_that_little_is_known_of_stops_nothing() -> None:
    rng = np.random.default_rng(6)
    before = [any_attempt(rng) for _ in range(20)]
    assert least_hopeful(before, 1, EARLY, WORTH) is None
    alone = [*before, shifted(any_attempt(rng), 0.0, 0.0)]
    assert least_hopeful(alone, 1, EARLY, WORTH) is None
    assert least_hopeful([*alone, shifted(any_attempt(rng), 0.0, 0.0)], 1, EARLY, WORTH) is not None


def test_the_hopeless_are_stopped() -> None:
    rng = np.random.default_rng(1)
    completed = [any_attempt(rng) for _ in range(15)]
    far = [Completed({EARLY: -0.06, LATE: -0.07}, -0.08, 0) for _ in range(5)]
    assert all(stops(completed, one) for one in far)


def test_worth_keeping_is_what_passes_screening_and_mostly_about_the_gain() -> None:
    changes, weights = WORTH.screenings()
    assert min(changes) == WORTH.bar
    assert np.average(changes, weights=weights) > WORTH.gain


def test_nothing_is_stopped_before_enough_was_seen() -> None:
    rng = np.random.default_rng(2)
    completed = [any_attempt(rng) for _ in range(LEAST_SEEN - 1)]
    assert least_hopeful(completed, 0, EARLY, WORTH) is None
    assert forecast(completed, 0, EARLY, -0.1) is None


def test_what_wins_late_switches_the_forecast_off() -> None:
    rng = np.random.default_rng(3)
    tied = [Completed({EARLY: rng.normal(0.0, 0.002)}, float(rng.normal(-0.02, 0.005)), 0) for _ in range(20)]
    late = [Completed({EARLY: -0.05}, 0.02, 0)]
    assert is_trusted(*false_stops(tied, WORTH))
    assert false_stops([*tied, *late], WORTH) == (1, 1)
    assert not is_trusted(1, 1)


def test_a_forecast_is_near_what_comes() -> None:
    rng = np.random.default_rng(4)
    completed = [any_attempt(rng) for _ in range(200)]
    found = forecast(completed, 0, LATE, -0.03)
    assert found is not None
    assert found.change == pytest.approx(-0.03 / 0.9, abs=0.008)
    assert 0.005 < found.error < 0.012


def test_a_forecast_survives_its_trailer() -> None:
    rng = np.random.default_rng(5)
    found = forecast([any_attempt(rng) for _ in range(9)], 0, EARLY, -0.02)
    assert found is not None
    read = read_forecast(written(found))
    assert read == pytest.approx((found.change, found.error), abs=1e-5)
    assert read_forecast(None) is None
    assert read_forecast("soon") is None


def test_every_tenth_attempt_is_trained_to_its_end() -> None:
    assert [number for number in range(1, 31) if is_audited(number)] == [10, 20, 30]


def test_snapshots_lie_within_the_training() -> None:
    assert updates_of(300) == (60, 120)
    assert updates_of(1) == (1,)
