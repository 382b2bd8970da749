"""How many fresh seeds the end of a run gets: as planned, or what its minutes and training seconds hold.

Owns that number. It hangs on what was allowed at the start and on how long the baseline's trainings took,
never on a score, so that nobody can choose it by what came out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from agent.seeds import every_seed
from agent.settings import RunSettings
from agent.state_files import read_json
from environments.base import Environment
from workspaces.review.record import BASELINE_FILE

CLOSING_SHARE = 2 / 3
MOST_FRONTIER_SEEDS = 5
LEAST_CONFIRMATION_SEEDS = 5
LEAST_FRONTIER_SEEDS = 2


@dataclass(frozen=True)
class ClosingSeeds:
    """Seeds of winner and baseline, and those among them that each of the frontier's `points` gets."""

    confirmation: int
    frontier: int
    points: int

    @property
    def trainings(self) -> int:
        return 2 * self.confirmation + self.points * self.frontier


def frontier_points(environment: Environment) -> int:
    """How many points a frontier may have: the winner adds one."""
    points = len(environment.frontier())
    return points and points + 1


def planned_closing_seeds(settings: RunSettings, points: int) -> ClosingSeeds:
    """What a run gets that has room enough."""
    planned = settings.confirmation_seeds
    return ClosingSeeds(planned, min(MOST_FRONTIER_SEEDS, planned), points)


def closing_seeds(settings: RunSettings, points: int, each: float) -> ClosingSeeds:
    """As many seeds as fit into two thirds of what is left after the baseline and one race.

    `each` training with its scoring takes so many seconds. A run without bounds, or with room enough, gets
    what was planned; the least are five seeds, two of them for a point of the frontier.
    """
    whole = planned_closing_seeds(settings, points)
    held = trainings_held(settings, each)
    if held is None:
        return whole
    room = CLOSING_SHARE * (held - len(every_seed(settings.seeds)) - settings.seeds)
    least = min(LEAST_CONFIRMATION_SEEDS, whole.confirmation)
    fewer = [
        ClosingSeeds(count, max(LEAST_FRONTIER_SEEDS, min(MOST_FRONTIER_SEEDS, count // 3)), points)
        for count in range(whole.confirmation, least - 1, -1)
    ]
    return next((seeds for seeds in (whole, *fewer) if seeds.trainings <= room), fewer[-1])


def trainings_held(settings: RunSettings, each: float) -> float | None:
    """How many trainings of so many seconds the run may make by what it was given; None without a bound."""
    bounds = (
        settings.minutes and settings.minutes * 60 * settings.workers / each,
        settings.training_seconds and settings.training_seconds / each,
    )
    return min((bound for bound in bounds if bound), default=None)


def measured_closing_seeds(directory: Path, settings: RunSettings, environment: Environment) -> ClosingSeeds:
    """The same for a run whose baseline is measured."""
    rows = read_json(directory / BASELINE_FILE, "seeds")["seeds"]
    return closing_seeds(settings, frontier_points(environment), fmean(row["seconds"] for row in rows))
