"""What a run can see: the noise of its baseline, where it comes from, and the smallest gain it would find.

Owns the decomposition and its words; the decision under this noise is `decision`'s.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from agent.decision import (
    ENTERS_WITH,
    SCREENING_DEVIATION,
    alpha_for_entrant,
    expected_entrants,
    threshold_at_look,
)
from agent.settings import RunSettings
from environments.base import Score
from evaluators.clustered import clustered_standard_error
from evaluators.significance import needed_seeds

POWER = 0.8
_MOST_SEEDS = 200


@dataclass(frozen=True)
class Noise:
    """Standard deviations of the metric, in its units.

    `seed`: of one training on these tasks. `sampling`: the part of it that would be left if all trainings
    were equal: completions are drawn, and tasks go up and down with the seed. `tasks`: of a mean over other
    clusters of tasks; None with fewer than two clusters, as `sampling` is without figures by task.
    """

    seed: float
    sampling: float | None
    tasks: float | None
    seeds: int


@dataclass(frozen=True)
class Reach:
    """What an attempt shows with the run's evidence seeds.

    `detectable` is the smallest gain that is found four times in five, the chance to pass screening included;
    `half_passes` is that chance for half of it, and `half_needs` the seeds that it would need after that.
    """

    detectable: float
    seeds: int
    half_passes: float
    half_needs: int | None
    wanted: float
    wanted_needs: int | None


def noise_of(scores: Mapping[int, Score], metric: str) -> Noise:
    """The noise of a code by its scores on at least two seeds."""
    metrics = [score.metrics[metric] for score in scores.values()]
    seed = statistics.stdev(m.value for m in metrics)
    tasks, clusters = metrics[0].per_task, metrics[0].cluster
    if not tasks or any(m.cluster != clusters for m in metrics):
        return Noise(seed, None, None, len(metrics))
    rows = np.array([m.per_task for m in metrics])
    apart = rows - rows.mean(axis=0) - rows.mean(axis=1, keepdims=True) + rows.mean()
    freedom = (rows.shape[0] - 1) * (rows.shape[1] - 1)
    sampling = math.sqrt(float((apart**2).sum()) / freedom / rows.shape[1]) if freedom else None
    return Noise(seed, sampling, clustered_standard_error(list(rows.mean(axis=0)), clusters), len(metrics))


def reach_of(seed_deviation: float, settings: RunSettings) -> Reach:
    """What the run's seeds can show, for an attempt that is early and, once it races, has all of them.

    `seed_deviation` is that of the metric from one training to another, in its units.
    """
    from scipy.optimize import brentq
    from scipy.special import nctdtr, ndtr, stdtrit

    alpha = alpha_for_entrant(settings.alpha, [], expected_entrants(settings.attempts))
    threshold = threshold_at_look(alpha, settings.seeds, settings.seeds)
    deviation = math.sqrt(2.0) * seed_deviation
    wanted = settings.minimum_effect
    if deviation == 0:
        return Reach(0.0, settings.seeds, 1.0, 2, wanted, 2)
    freedom = settings.seeds - 1
    least = stdtrit(freedom, 1.0 - threshold)

    def passes(gain: float) -> float:
        return float(ndtr((gain - ENTERS_WITH * seed_deviation) / (SCREENING_DEVIATION * seed_deviation)))

    def missed(gain: float) -> float:
        shift = (gain - wanted) * math.sqrt(settings.seeds) / deviation
        missed_in_race = np.nan_to_num(nctdtr(freedom, shift, least))  # NaN where nothing is missed
        return POWER - passes(gain) * (1.0 - float(missed_in_race))

    def needs(gain: float) -> int | None:
        return needed_seeds(gain, deviation, threshold, POWER, _MOST_SEEDS)

    detectable = float(brentq(missed, wanted, wanted + (20.0 + least) * deviation))
    half = (detectable - wanted) / 2
    return Reach(
        detectable,
        settings.seeds,
        passes(wanted + half),
        needs(half),
        wanted,
        needs(wanted) if wanted else None,
    )


def sentences(noise: Noise, reach: Reach, metric: str) -> list[str]:
    """Noise and reach for a person; the last line says so where what is wanted is out of reach."""
    parts = [f"Noise of {metric}: {noise.seed:.4f} from seed to seed ({noise.seeds} seeds)"]
    if noise.sampling is not None:
        parts.append(f"of which {noise.sampling:.4f} is the luck of single tasks")
    if noise.tasks is not None:
        parts.append(f"{noise.tasks:.4f} more if other tasks were drawn, which equal tasks cancel")
    half = f"{reach.half_needs} seeds" if reach.half_needs else f"more than {_MOST_SEEDS} seeds"
    told = [
        ", ".join(parts) + ".",
        f"With {reach.seeds} evidence seeds an attempt, a gain of {reach.detectable:+.4f} is found four "
        f"times in five; one of {(reach.detectable + reach.wanted) / 2:+.4f} passes screening "
        f"{reach.half_passes:.0%} of the time, and would then need {half}.",
    ]
    if reach.wanted and (reach.wanted_needs is None or reach.wanted_needs > reach.seeds):
        needs = reach.wanted_needs or f"more than {_MOST_SEEDS}"
        told.append(
            f"OUT OF REACH: {reach.wanted:+.4g} needs {needs} seeds an attempt, and this run has "
            f"{reach.seeds}: give it more --seeds, or look for larger gains."
        )
    return told
