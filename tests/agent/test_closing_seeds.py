from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from agent.closing_seeds import ClosingSeeds, closing_seeds, planned_closing_seeds, trainings_held
from agent.seeds import every_seed
from agent.settings import RunSettings
from tests.agent.a_plan import planned

SETTINGS = planned(Path("runs"), seeds=12).model_copy(update={"workers": 2})
POINTS = 5


def given_minutes(minutes: float | None, training_seconds: float | None = None) -> RunSettings:
    return SETTINGS.model_copy(update={"minutes": minutes, "training_seconds": training_seconds})


def test_a_run_without_bounds_closes_as_planned() -> None:
    assert closing_seeds(SETTINGS, POINTS, each=500.0) == ClosingSeeds(16, 5, POINTS)


def test_a_slow_machine_closes_on_fewer_seeds_and_leaves_room_for_attempts() -> None:
    settings = given_minutes(11.5)
    assert closing_seeds(settings, POINTS, each=8.0) == planned_closing_seeds(settings, POINTS)
    slow = closing_seeds(settings, POINTS, each=22.0)
    assert slow.confirmation < 16
    held = trainings_held(settings, each=22.0) or 0.0
    assert held - len(every_seed(settings.seeds)) - settings.seeds - slow.trainings >= 8


def test_training_seconds_bound_the_end_too() -> None:
    assert closing_seeds(given_minutes(500.0, 900.0), POINTS, each=10.0).trainings <= 90


@given(st.floats(0.5, 600), st.floats(0.5, 600), st.integers(0, 8))
def test_more_time_never_means_fewer_seeds(minutes: float, more: float, points: int) -> None:
    short, long = (closing_seeds(given_minutes(m), points, each=20.0) for m in (minutes, minutes + more))
    assert 5 <= short.confirmation <= long.confirmation <= SETTINGS.confirmation_seeds
    assert 2 <= short.frontier <= long.frontier <= 5
