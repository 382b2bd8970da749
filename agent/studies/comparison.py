"""Controls side by side: the same tokens, the same seeds, each at the best of the same learning rates.

Owns what is trained in which order and what is said of an arm; files and pictures are made of it elsewhere.

Every arm is tuned on `TUNING_SEEDS` that are no evidence, measured at its best rate on the evidence seeds,
and trained again with rewards that are the fall of a coin: what moves then moves without any signal
(arXiv 2509.26114). It is held against none at the same learning rate, so that a difference is the control's
and not the rate's, and against the frontier: "none" at every rate, at full and at half length.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from agent.arms import Arm, GuardResult, crossed, value_of
from agent.events import Message, Observer
from agent.studies.arms import NONE, ControlArm, learning_rate, variant
from agent.trace import TraceRow, blocks
from agent.training import Rewards
from agent.trials import Trial, Trials, Variant
from agent.winner import above_frontier, judge_confirmation
from environments.base import Score
from evaluators.significance import paired_interval
from workspaces.measurements import Measurement

RATES = (0.7, 1.0, 1.7)
LENGTHS = (1.0, 0.5)
TUNING_SEEDS = (1001, 1002)
LEVEL = 0.95
POINTS = 15


@dataclass(frozen=True)
class Interval:
    """A paired difference to "none" at the same learning rate.

    `low` and `high` hold for this arm alone, `wide` for all arms together.
    """

    change: float
    low: float
    high: float
    wide: tuple[float, float]


@dataclass(frozen=True)
class EntropyShift:
    """How much higher the entropy of the arm ends than that of "none" at its rate, nats a token, by seed.

    `low` and `high` hold at 95% for this arm alone, `moved` is read at 95% for all arms together.
    """

    change: float
    low: float
    high: float
    moved: bool


@dataclass(frozen=True)
class ArmResult:
    """What was measured of one arm; means over the evidence seeds, None where there is nothing to tell.

    `touched` is the share of the tokens trained on that the control acted on, 0.0 if it was inert; `tokens`
    are those drawn. `edge`: the best rate is the least or the largest tried, so a better one may lie beyond.
    Of "none", differences are None. `above` is the place against the frontier: True above, None not told
    apart.
    """

    arm: ControlArm
    rate: float
    edge: bool
    seeds: int
    scores: Mapping[str, float]
    score_error: float | None
    difference: Interval | None
    guard: GuardResult | None
    above: bool | None
    place: str
    entropy_end: float | None
    reward_end: float | None
    clip_fraction: float | None
    touched: float | None
    tokens: float | None
    seconds: float | None
    trajectory: Sequence[TraceRow]
    shift: EntropyShift | None
    random_shift: EntropyShift | None
    failure: str | None


@dataclass(frozen=True)
class Comparison:
    """All arms that were reached, "none" first. `frontier` maps a point's label to its mean metrics."""

    metric: str
    start: Score
    results: Sequence[ArmResult]
    frontier: Mapping[str, Mapping[str, float]]
    not_reached: Sequence[ControlArm]
    compared: int


def compare(trials: Trials, arms: Sequence[ControlArm], observer: Observer) -> Comparison:
    """Train what is missing of every arm, then judge all of them together. Raises what `measure` raises."""
    start = trials.start()
    observer(Message("Tuning and measuring none, and the frontier of learning rate and length."))
    _train(trials, NONE)
    points = _frontier(trials)
    trials.measure([Trial(point, seed) for point in points for seed in _seeds(trials)])
    placebos = [variant(trials.environment, NONE, rate) for rate in RATES]
    trials.measure([Trial(one, seed, "random") for one in placebos for seed in _seeds(trials)])
    reached: list[ControlArm] = []
    for number, arm in enumerate(arms):
        if trials.out_of_time() and not _is_complete(trials, arm):
            continue
        observer(Message(f"{arm.label}: control {number + 1} of {len(arms)}."))
        _train(trials, arm)
        reached.append(arm)
    results = [_result(trials, arm, len(reached), points) for arm in [NONE, *reached]]
    frontier = {point.label: _means(trials.measurements(point, _seeds(trials)).values()) for point in points}
    left = [arm for arm in arms if arm not in reached]
    return Comparison(trials.settings.metric, start, results, frontier, left, len(reached))


def trainings(arms: int, seeds: int) -> int:
    """How many trainings a comparison of so many arms costs at most."""
    points = len(RATES) * len(LENGTHS)
    each = len(RATES) * len(TUNING_SEEDS) + 2 * seeds
    return (arms + 1) * each + (points - 1) * seeds + (len(RATES) - 1) * seeds


def tuned(trials: Trials, arm: ControlArm) -> tuple[float, Variant]:
    """The best of the learning rates on the tuning seeds; the template's own where none was measured."""
    settings = trials.settings
    best, reached = 1.0, -float("inf")
    for factor in RATES:
        measured = trials.measurements(variant(trials.environment, arm, factor), TUNING_SEEDS).values()
        if len(measured) == len(TUNING_SEEDS):
            score = statistics.fmean(settings.signed(m.score) for m in measured)
            if score > reached:
                best, reached = factor, score
    return best * learning_rate(trials.environment), variant(trials.environment, arm, best)


def at_edge(trials: Trials, rate: float) -> bool:
    """Whether a learning rate is the least or the largest that was tried."""
    return any(
        abs(rate / learning_rate(trials.environment) / end - 1) < 1e-6 for end in (RATES[0], RATES[-1])
    )


def tuning(trials: Trials, arm: ControlArm) -> list[Trial]:
    """The trainings that choose an arm's learning rate; their seeds are no evidence."""
    rates = [variant(trials.environment, arm, factor) for factor in RATES]
    return [Trial(one, seed) for one in rates for seed in TUNING_SEEDS]


def _train(trials: Trials, arm: ControlArm) -> None:
    trials.measure(tuning(trials, arm))
    trials.measure(_evidence(trials, arm))


def _evidence(trials: Trials, arm: ControlArm) -> list[Trial]:
    """At the tuned rate: the evidence, then the placebo."""
    _, chosen = tuned(trials, arm)
    kinds: tuple[Rewards, ...] = ("task", "random")
    return [Trial(chosen, seed, rewards) for rewards in kinds for seed in _seeds(trials)]


def _is_complete(trials: Trials, arm: ControlArm) -> bool:
    """Whether nothing of an arm is left to be trained."""
    return trials.are_there(tuning(trials, arm)) and trials.are_there(_evidence(trials, arm))


def _frontier(trials: Trials) -> list[Variant]:
    return [variant(trials.environment, NONE, rate, length) for rate in RATES for length in LENGTHS]


def _result(trials: Trials, arm: ControlArm, compared: int, points: Sequence[Variant]) -> ArmResult:
    settings, seeds = trials.settings, _seeds(trials)
    rate, chosen = tuned(trials, arm)
    plain = _none_at(trials, rate)
    measured = trials.measurements(chosen, seeds)
    failed = {**trials.failures(chosen), **trials.failures(chosen, "random")}
    traces = [rows for seed in measured if (rows := trials.trace(chosen, seed))]
    trajectory = mean_trajectory(traces)
    scores = [m.score.metrics[settings.metric].value for m in measured.values()]
    ours, nones = trials.arm(chosen, seeds), trials.arm(plain, seeds)
    comparable = len(ours.scores.keys() & nones.scores.keys()) >= 2
    difference, guard = None, None
    if arm is not NONE and comparable:
        judged = judge_confirmation(ours, nones, settings)
        guard = judged.guards[0] if judged.guards else None
        shared = sorted(ours.scores.keys() & nones.scores.keys())
        wide = crossed(ours, nones, settings.metric, shared, 1 - (1 - LEVEL) / max(compared, 1))
        difference = Interval(judged.change, *judged.interval, wide.interval)
    place = None
    if arm is not NONE and comparable:
        frontier = {point.label: trials.arm(point, seeds) for point in points}
        place = above_frontier(ours, frontier, settings, 1 - (1 - LEVEL) / max(compared, 1))
    return ArmResult(
        arm=arm,
        rate=rate,
        edge=at_edge(trials, rate),
        seeds=len(measured),
        scores=_means(measured.values()),
        score_error=statistics.stdev(scores) / len(scores) ** 0.5 if len(scores) > 1 else None,
        difference=difference,
        guard=guard,
        above=place.above if place else None,
        place=place.reason if place else "",
        entropy_end=_mean([m.entropy_end for m in measured.values()]),
        reward_end=trajectory[-1].reward if trajectory else None,
        clip_fraction=_mean([row.clip_fraction for row in trajectory]),
        touched=_touched(arm, traces),
        tokens=_mean([_spent(trials, rows) for rows in traces]),
        seconds=_mean([m.cpu_seconds for m in measured.values()]),
        trajectory=trajectory,
        shift=None if arm is NONE else _shift(trials, chosen, plain, compared, "task"),
        random_shift=None if arm is NONE else _shift(trials, chosen, plain, compared, "random"),
        failure=next(iter(failed.values()), None),
    )


def mean_trajectory(traces: Sequence[Sequence[TraceRow]], points: int = POINTS) -> list[TraceRow]:
    """Means over seeds of stretches of the training; as short as the shortest of them."""
    stretched = [blocks(rows, points) for rows in traces]
    found = []
    for rows in zip(*stretched, strict=False):
        clips = [row.clip_fraction for row in rows if row.clip_fraction is not None]
        found.append(
            TraceRow(
                step=rows[0].step,
                reward=statistics.fmean(row.reward for row in rows),
                entropy=statistics.fmean(row.entropy for row in rows),
                clip_fraction=statistics.fmean(clips) if clips else None,
            )
        )
    return found


def _shift(
    trials: Trials, chosen: Variant, plain: Variant, compared: int, rewards: Rewards
) -> EntropyShift | None:
    """Final entropy against that of "none", on fixed prompts at temperature 1, paired by seed."""
    seeds = _seeds(trials)
    arms = [trials.arm(one, seeds, rewards) for one in (chosen, plain)]
    shared = sorted(arms[0].scores.keys() & arms[1].scores.keys())
    if len(shared) < 2 or any("entropy" not in arm.scores[s].metrics for arm in arms for s in shared):
        return None
    changes = [_entropy(arms[0], seed) - _entropy(arms[1], seed) for seed in shared]
    low, high = paired_interval(changes, LEVEL)
    least, most = paired_interval(changes, 1 - (1 - LEVEL) / max(compared, 1))
    return EntropyShift(statistics.fmean(changes), low, high, moved=not least <= 0 <= most)


def _entropy(arm: Arm, seed: int) -> float:
    return value_of(arm, seed, "entropy")


def _none_at(trials: Trials, rate: float) -> Variant:
    return variant(trials.environment, NONE, rate / learning_rate(trials.environment))


def _touched(arm: ControlArm, traces: Sequence[Sequence[TraceRow]]) -> float | None:
    """Share of the tokens that the control acted on; None if it does not count them."""
    if arm.control is None:
        return None
    rows = [row for trace in traces for row in trace if arm.control.name in row.touched and row.tokens]
    tokens = sum(row.tokens or 0 for row in rows)
    return sum(row.touched[arm.control.name] for row in rows) / tokens if tokens else None


def _spent(trials: Trials, rows: Sequence[TraceRow]) -> float | None:
    """Rollout tokens that a training drew, those that it then left aside included."""
    left = rows[-1].tokens_left
    return None if left is None else float(trials.environment.spec.budget["tokens"] - left)


def _seeds(trials: Trials) -> range:
    return range(1, trials.settings.seeds + 1)


def _means(measured: Iterable[Measurement]) -> dict[str, float]:
    rows = [m.score.metrics for m in measured]
    return {name: statistics.fmean(row[name].value for row in rows) for name in rows[0]} if rows else {}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None
