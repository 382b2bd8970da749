"""Keep or revert, under seed noise.

Owns the verdict and the alpha that it may spend: it neither trains, nor scores, nor touches git.

Seed index 0 is the screening seed: it chooses who enters the race and is never evidence. Indices 1..N
are the evidence seeds. The baseline is measured on two more screening seeds, N+1 and N+2. All arms use
the same seeds and tasks, so differences are paired by seed. What is claimed by a verdict is a claim
about the tasks of the selection split; that it carries over to other tasks is for `judge_confirmation`
to say. The evidence seeds are shared by all attempts of a run: the bound on false keeps is for edits
that were not chosen by looking at them.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from environments.base import Score, SzilardError
from evaluators.significance import (
    MOST_FLIPPED,
    CrossedInterval,
    crossed_interval,
    needed_seeds,
    paired_interval,
    paired_lower_bound,
    paired_test,
    sign_flip_p_value,
)

SCREENING_SEED = 0
MORE_SCREENING_SEEDS = 2
LEVEL = 0.95
_MOST_SEEDS = 99
_GIVE_UP = 0.5

Decided = Literal["kept", "reverted", "inconclusive", "void"]


class InvalidComparison(SzilardError):
    """Two arms cannot be compared: a seed, a metric or a task is missing on one side."""


class GuardRule(Protocol):
    """A metric that must not be worse than the baseline's by more than `tolerance`."""

    @property
    def metric(self) -> str: ...
    @property
    def tolerance(self) -> float: ...


class Rules(Protocol):
    """What a run optimises; both an environment's spec and a run's settings say so."""

    @property
    def metric(self) -> str: ...
    @property
    def direction(self) -> str: ...
    @property
    def guards(self) -> Sequence[GuardRule]: ...


@dataclass(frozen=True)
class Arm:
    """The scores of one code on one split: seed index -> score."""

    scores: Mapping[int, Score]


@dataclass(frozen=True)
class GuardResult:
    """A guard against the baseline: it holds where the one-sided 95% bound stays within its tolerance.

    `standard_error`, `lower_bound` and `holds` are None on one seed.
    """

    metric: str
    tolerance: float
    change: float
    standard_error: float | None
    lower_bound: float | None
    holds: bool | None


@dataclass(frozen=True)
class Verdict:
    """What became of an attempt, and on which figures.

    `change` is the paired mean difference to the comparator, in units of the metric and signed as the
    metric is; `interval` is its two-sided 95% t interval over seeds. `seeds` counts evidence seeds; with
    none, `change` is the screening seed's and has no error. `alpha_spent` is 0 for who never entered.
    """

    outcome: Decided
    change: float | None
    standard_error: float | None
    interval: tuple[float, float] | None
    alpha_spent: float
    seeds: int
    guards: tuple[GuardResult, ...]
    reason: str


@dataclass(frozen=True)
class NeedSeed:
    """The race goes on: train and score this seed, then judge again."""

    seed_index: int
    reason: str


@dataclass(frozen=True)
class Confirmation:
    """The winner against the baseline on fresh seeds and sealed tasks.

    `better`: the 95% interval, which respects seeds and task clusters, excludes 0 on the better side.
    `confirmed`: better, and every guard holds.
    """

    change: float
    standard_error: float
    interval: tuple[float, float]
    seed_se: float
    cluster_se: float | None
    seeds: int
    better: bool
    guards: tuple[GuardResult, ...]
    confirmed: bool
    reason: str


@dataclass(frozen=True)
class FrontierVerdict:
    """Whether the winner lies above what learning rate and length alone reach; None: not to be told.

    `best` names the point that comes closest to the winner; `change` is the winner's lead over it.
    """

    above: bool | None
    best: str | None
    change: float | None
    interval: tuple[float, float] | None
    reason: str


def expected_entrants(attempts: int) -> int:
    """How many attempts are expected to pass screening: of null edits about a third does."""
    return max(2, math.ceil(attempts / 3))


def alpha_for_entrant(run_alpha: float, entrants_so_far: Sequence[str], expected: int) -> float:
    """Alpha that the next entrant may spend, given the outcomes of the earlier ones in order.

    Online fallback (Tian & Ramdas 2021, arXiv 1910.04900): alpha_j = alpha·gamma_j, plus alpha_{j-1} if
    entrant j-1 was kept. Under any dependence it holds the chance of keeping any null at `run_alpha`.
    gamma shares 9/10 equally among the first `expected` entrants, 9/100 among as many after them, and so
    on: no entrant is ever left with nothing, and all of them sum to 1.

    An entrant spends its alpha when it enters, also where futility stops it early: who survives the
    early looks is more likely to pass the last one, so giving back the alpha of those who did not would
    break the bound. Screening costs nothing because its seed is not evidence.

    Raises:
        ValueError: `run_alpha` outside (0, 1), or fewer than one expected entrant.
    """
    if not 0 < run_alpha < 1 or expected < 1:
        raise ValueError(f"need alpha within (0, 1) and an entrant, got {run_alpha} and {expected}")
    alpha = 0.0
    for index in range(len(entrants_so_far) + 1):
        inherited = alpha if index > 0 and entrants_so_far[index - 1] == "kept" else 0.0
        alpha = run_alpha * 0.9 * 0.1 ** (index // expected) / expected + inherited
    return alpha


def judge(
    attempt: Arm, comparator: Arm, baseline: Arm, rules: Rules, *, seeds: int, alpha: float, noise: float
) -> Verdict | NeedSeed:
    """Decide an attempt, or ask for the next seed.

    `seeds` is how many evidence seeds an attempt may have, `alpha` what this entrant may spend, `noise`
    the seed standard deviation of the baseline's metric. An attempt enters if the screening seed shows
    at least a quarter of `noise`, held half against the comparator on that seed and half against its
    mean over screening seeds (index 0 and those above `seeds`, which are never evidence), so that one
    lucky seed of the comparator does not shut out everything. It is reverted as soon
    as two or more evidence seeds leave it half a standard error of the noise below the comparator, held
    half against the same seeds and half against the mean of all of them: giving up early on whatever
    ground cannot add false keeps. With all seeds it is kept if a one-sided paired test
    passes at `alpha` and every guard is shown to hold. The test flips signs, which a seed that collapses
    cannot upset; where too few seeds for `alpha` have too few flips, it is Student's t.

    Raises:
        InvalidComparison: a seed that the attempt has is missing on the other side, or a metric is.
        ValueError: fewer than two evidence seeds, or a negative noise.
    """
    if seeds < 2 or noise < 0:
        raise ValueError(f"need at least 2 evidence seeds and a noise of at least 0, got {seeds}, {noise}")
    if SCREENING_SEED not in attempt.scores:
        return NeedSeed(SCREENING_SEED, "the screening seed says who enters the race")
    evidence = _evidence(attempt, seeds)
    for seed in (SCREENING_SEED, *evidence):
        if not all(math.isfinite(metric.value) for metric in attempt.scores[seed].metrics.values()):
            return Verdict(
                "void", None, None, None, alpha if evidence else 0.0, len(evidence), (),
                f"seed {seed} scored a value that is not a number",
            )  # fmt: skip
    sign = 1.0 if rules.direction == "maximise" else -1.0
    if not evidence:
        return _screen(attempt, comparator, baseline, rules, sign, noise, seeds)
    changes = [sign * change for change in _changes(attempt, comparator, rules.metric, evidence)]
    guards = _guards(attempt, baseline, rules, evidence)
    if len(evidence) < 2:
        return NeedSeed(evidence[-1] + 1, f"{_signed(sign * changes[0])} on one evidence seed")
    test = paired_test(changes)
    low, high = sorted(sign * bound for bound in paired_interval(changes, LEVEL))
    figures = f"{_signed(sign * test.change)} ± {test.standard_error:.3g} on {test.seeds} seeds"

    def verdict(outcome: Decided, reason: str) -> Verdict:
        return Verdict(
            outcome, sign * test.change, test.standard_error, (low, high), alpha, test.seeds, guards, reason
        )

    if test.change <= 0 and test.seeds == seeds:
        return verdict("reverted", f"no gain: {figures}")
    hoped = (test.change + sign * _unpaired(attempt, comparator, rules.metric, evidence)) / 2
    if test.seeds < seeds and hoped <= -_GIVE_UP * noise / math.sqrt(test.seeds):
        return verdict("reverted", f"no gain in sight: {figures}")
    if test.standard_deviation <= 1e-9 * test.change:
        return verdict(
            "void", f"{figures}: seeds that change nothing cannot be trusted; look for a fixed seed"
        )
    broken = _broken(guards, final=test.seeds == seeds)
    if broken is not None:
        return verdict("reverted", f"{_guard_sentence(broken)}; {rules.metric} {figures}")
    if test.seeds < seeds:
        return NeedSeed(evidence[-1] + 1, figures)
    p_value = _p_value(changes, alpha)
    tested = f"{figures}, p = {p_value:.2g} against alpha = {alpha:.2g}"
    if p_value > alpha:
        pairs = needed_seeds(test.change, test.standard_deviation, alpha, most=_MOST_SEEDS)
        needs = f"about {max(pairs, seeds + 1)}" if pairs else f"more than {_MOST_SEEDS}"
        return verdict("inconclusive", f"{tested}: needs {needs} seeds to decide")
    doubtful = next((guard for guard in guards if not guard.holds), None)
    if doubtful is not None:
        return verdict("inconclusive", f"{tested}, but {_guard_sentence(doubtful)}")
    return verdict("kept", tested)


def judge_confirmation(winner: Arm, baseline: Arm, rules: Rules) -> Confirmation:
    """Compare the winner with the baseline on fresh seeds and the sealed split.

    Raises:
        InvalidComparison: fewer than two shared seeds, other tasks, a missing metric, or a value that
            is not a number.
    """
    seeds = _shared(winner, baseline)
    sign = 1.0 if rules.direction == "maximise" else -1.0
    crossed = _crossed(winner, baseline, rules.metric, seeds, LEVEL)
    low, high = crossed.interval
    better = low > 0 if sign > 0 else high < 0
    guards = []
    for guard in rules.guards:
        found = _crossed(winner, baseline, guard.metric, seeds, 2.0 * LEVEL - 1.0)
        guards.append(_guard_result(guard, found.change, found.standard_error, found.interval[0]))
    broken = next((guard for guard in guards if not guard.holds), None)
    reason = (
        f"{rules.metric} {_signed(crossed.change)}, 95% interval {_signed(low)} to {_signed(high)}, on"
        f" {len(seeds)} fresh seeds: {'the gain is confirmed' if better else 'no gain is shown'}"
    )
    if broken is not None:
        reason += f", but {_guard_sentence(broken)}"
    return Confirmation(
        change=crossed.change,
        standard_error=crossed.standard_error,
        interval=crossed.interval,
        seed_se=crossed.seed_se,
        cluster_se=crossed.cluster_se,
        seeds=len(seeds),
        better=better,
        guards=tuple(guards),
        confirmed=better and broken is None,
        reason=reason,
    )


def above_frontier(winner: Arm, frontier: Mapping[str, Arm], rules: Rules) -> FrontierVerdict:
    """Compare the winner with every point that learning rate and length alone reach, baseline included.

    `frontier` maps a point's label to its arm. The winner lies above if the 95% interval of its lead
    over the point that comes closest excludes 0. A point without two seeds in common with the winner
    cannot be compared, and then nothing above is claimed.

    Raises:
        InvalidComparison: tasks differ, a metric is missing, or a value is not a number.
    """
    sign = 1.0 if rules.direction == "maximise" else -1.0
    leads: dict[str, CrossedInterval] = {}
    unpaired = []
    for label, arm in frontier.items():
        if len(winner.scores.keys() & arm.scores.keys()) < 2:
            unpaired.append(label)
        else:
            leads[label] = _crossed(winner, arm, rules.metric, _shared(winner, arm), LEVEL)
    if not leads:
        return FrontierVerdict(None, None, None, None, "no frontier point shares two seeds with the winner")
    best = min(leads, key=lambda label: sign * leads[label].change)
    lead = leads[best]
    low, high = lead.interval
    figures = f"{_signed(lead.change)} ({_signed(low)} to {_signed(high)}) against {best}, the closest point"
    if sign * lead.change <= 0:
        return FrontierVerdict(False, best, lead.change, lead.interval, f"not above the frontier: {figures}")
    if unpaired:
        reason = f"{figures}; without two shared seeds: {', '.join(unpaired)}"
        return FrontierVerdict(None, best, lead.change, lead.interval, reason)
    if low <= 0 <= high:
        reason = f"not distinguishable from the frontier: {figures}"
        return FrontierVerdict(None, best, lead.change, lead.interval, reason)
    return FrontierVerdict(True, best, lead.change, lead.interval, f"above the frontier: {figures}")


def _unpaired(attempt: Arm, comparator: Arm, metric: str, evidence: Sequence[int]) -> float:
    """The attempt's mean over `evidence` less the comparator's over all the seeds that it has."""
    return statistics.fmean(_value(attempt, seed, metric) for seed in evidence) - statistics.fmean(
        _value(comparator, seed, metric) for seed in comparator.scores
    )


def _p_value(changes: Sequence[float], alpha: float) -> float:
    """By sign flips where they can reach `alpha` and can be counted, by t otherwise: never by the data."""
    flipped = 2.0 ** -len(changes) <= alpha and len(changes) <= MOST_FLIPPED
    return sign_flip_p_value(changes) if flipped else paired_test(changes).p_value


def _screen(
    attempt: Arm, comparator: Arm, baseline: Arm, rules: Rules, sign: float, noise: float, seeds: int
) -> Verdict | NeedSeed:
    paired = _changes(attempt, comparator, rules.metric, [SCREENING_SEED])[0]
    screening = [seed for seed in comparator.scores if seed == SCREENING_SEED or seed > seeds]
    usual = statistics.fmean(_value(comparator, seed, rules.metric) for seed in screening)
    change = (paired + _value(attempt, SCREENING_SEED, rules.metric) - usual) / 2
    guards = _guards(attempt, baseline, rules, [SCREENING_SEED])
    reason = None
    if sign * change <= 0 or sign * change < noise / 4:
        needed = _signed(sign * noise / 4)
        seen = f"{_signed(change)} on the screening seed"
        reason = f"screened out: {seen}, {needed} (a quarter of the noise) enters"
    for guard in guards:
        slack = guard.tolerance + 3.0 * _seed_deviation(baseline, guard.metric)
        if reason is None and guard.change < -slack:
            reason = f"screened out: {_guard_sentence(guard)}, too far for seed noise"
    if reason is not None:
        return Verdict("reverted", change, None, None, 0.0, 0, guards, reason)
    return NeedSeed(SCREENING_SEED + 1, f"enters with {_signed(change)} on the screening seed")


def _evidence(attempt: Arm, seeds: int) -> list[int]:
    evidence: list[int] = []
    while len(evidence) < seeds and len(evidence) + 1 in attempt.scores:
        evidence.append(len(evidence) + 1)
    return evidence


def _guards(attempt: Arm, baseline: Arm, rules: Rules, seeds: Sequence[int]) -> tuple[GuardResult, ...]:
    results = []
    for guard in rules.guards:
        changes = _changes(attempt, baseline, guard.metric, seeds)
        mean = statistics.fmean(changes)
        if len(changes) < 2:
            results.append(GuardResult(guard.metric, guard.tolerance, mean, None, None, None))
        else:
            error = paired_test(changes).standard_error
            results.append(_guard_result(guard, mean, error, paired_lower_bound(changes, LEVEL)))
    return tuple(results)


def _guard_result(guard: GuardRule, change: float, error: float, bound: float) -> GuardResult:
    return GuardResult(guard.metric, guard.tolerance, change, error, bound, bound > -guard.tolerance)


def _broken(guards: Sequence[GuardResult], *, final: bool) -> GuardResult | None:
    """The first guard whose estimate lies beyond its tolerance: by two errors, or at all when final."""
    for guard in guards:
        beyond = -guard.tolerance - guard.change
        if guard.standard_error is not None and beyond > (0.0 if final else 2.0 * guard.standard_error):
            return guard
    return None


def _guard_sentence(guard: GuardResult) -> str:
    bound = "" if guard.lower_bound is None else f" (at worst {_signed(guard.lower_bound)})"
    return f"guard {guard.metric} is {_signed(guard.change)}{bound}, {_signed(-guard.tolerance)} is allowed"


def _changes(arm: Arm, other: Arm, metric: str, seeds: Sequence[int]) -> list[float]:
    return [_value(arm, seed, metric) - _value(other, seed, metric) for seed in seeds]


def _value(arm: Arm, seed: int, metric: str) -> float:
    if seed not in arm.scores:
        raise InvalidComparison(f"seed {seed} is missing on one side of a comparison; measure it first")
    score = arm.scores[seed]
    if metric not in score.metrics:
        known = ", ".join(score.metrics)
        raise InvalidComparison(f"the score of seed {seed} has no metric {metric}; it has {known}")
    return score.metrics[metric].value


def _seed_deviation(arm: Arm, metric: str) -> float:
    values = [_value(arm, seed, metric) for seed in arm.scores]
    return statistics.stdev(values) if len(values) > 1 else 0.0


def _shared(arm: Arm, other: Arm) -> list[int]:
    shared = sorted(arm.scores.keys() & other.scores.keys())
    if len(shared) < 2:
        raise InvalidComparison(f"a comparison needs two shared seeds, but the arms share {len(shared)}")
    return shared


def _crossed(arm: Arm, other: Arm, metric: str, seeds: Sequence[int], level: float) -> CrossedInterval:
    changes = _changes(arm, other, metric, seeds)
    if not all(math.isfinite(change) for change in changes):
        raise InvalidComparison(f"{metric} is not a number on one of the seeds {list(seeds)}")
    ours = [arm.scores[seed].metrics[metric] for seed in seeds]
    theirs = [other.scores[seed].metrics[metric] for seed in seeds]
    if any(mine.cluster != yours.cluster for mine, yours in zip(ours, theirs, strict=True)):
        raise InvalidComparison(f"{metric} was scored on other tasks in the two arms; they cannot be paired")
    if not all(len(mine.per_task) == len(ours[0].cluster) > 0 for mine in ours):
        return crossed_interval([[change] for change in changes], ["all"], level)
    rows = [
        [mine - yours for mine, yours in zip(a.per_task, b.per_task, strict=True)]
        for a, b in zip(ours, theirs, strict=True)
    ]
    return crossed_interval(rows, [list(mine.cluster) for mine in ours], level)


def _signed(value: float) -> str:
    return f"{value:+.3g}"
