"""Keep or revert, under seed noise.

Owns the verdict and the alpha that it may spend: it neither trains, nor scores, nor touches git.

Seed index 0 is the screening seed: it chooses who enters the race and is never evidence. Indices 1..N
are the evidence seeds. The baseline is measured on two more screening seeds, N+1 and N+2. All arms use
the same seeds and tasks, so differences are paired by seed. What is claimed by a verdict is a claim
about the tasks of the selection split; that it carries over to other tasks is for `winner`
to say. The evidence seeds are shared by all attempts of a run: the bound on false keeps is for edits
that were not chosen by looking at them.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from agent.arms import (
    LEVEL,
    Arm,
    GuardResult,
    Rules,
    guard_result,
    guard_sentence,
    paired_changes,
    signed,
    value_of,
)
from evaluators.significance import (
    MOST_FLIPPED,
    least_significant_change,
    needed_seeds,
    paired_interval,
    paired_lower_bound,
    paired_test,
    sign_flip_p_value,
)

SCREENING_SEED = 0
MORE_SCREENING_SEEDS = 2
_MOST_SEEDS = 99
_GIVE_UP_AFTER = 3

Decided = Literal["kept", "reverted", "inconclusive", "void"]


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
    lucky seed of the comparator does not shut out everything. It is reverted as soon as three or more
    evidence seeds leave no hope: a gain one standard error above what they show, held half against the
    same seeds and half against the mean of all of the comparator's, would not pass in the end. Giving
    up, on whatever ground, cannot add false keeps. With all seeds it is kept if a one-sided paired test
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
    changes = [sign * change for change in paired_changes(attempt, comparator, rules.metric, evidence)]
    guards = _guards(attempt, baseline, rules, evidence)
    if len(evidence) < 2:
        return NeedSeed(evidence[-1] + 1, f"{signed(sign * changes[0])} on one evidence seed")
    test = paired_test(changes)
    low, high = sorted(sign * bound for bound in paired_interval(changes, LEVEL))
    figures = f"{signed(sign * test.change)} ± {test.standard_error:.3g} on {test.seeds} seeds"

    def verdict(outcome: Decided, reason: str) -> Verdict:
        return Verdict(
            outcome, sign * test.change, test.standard_error, (low, high), alpha, test.seeds, guards, reason
        )

    if test.change <= 0 and test.seeds == seeds:
        return verdict("reverted", f"no gain: {figures}")
    if _GIVE_UP_AFTER <= test.seeds < seeds:
        hoped = (test.change + sign * _unpaired(attempt, comparator, rules.metric, evidence)) / 2
        spread = min(noise, test.standard_deviation)
        if hoped + spread / math.sqrt(test.seeds) < least_significant_change(spread, seeds, alpha):
            return verdict("reverted", f"no gain in sight: {figures}")
    if test.standard_deviation <= 1e-9 * test.change:
        return verdict(
            "void", f"{figures}: seeds that change nothing cannot be trusted; look for a fixed seed"
        )
    broken = _broken(guards, final=test.seeds == seeds)
    if broken is not None:
        return verdict("reverted", f"{guard_sentence(broken)}; {rules.metric} {figures}")
    if test.seeds < seeds:
        return NeedSeed(evidence[-1] + 1, figures)
    p_value, test_name = _p_value(changes, alpha)
    tested = f"{figures}, p = {p_value:.2g} by {test_name} against alpha = {alpha:.2g}"
    if p_value > alpha:
        pairs = needed_seeds(test.change, test.standard_deviation, alpha, most=_MOST_SEEDS)
        needs = f"about {max(pairs, seeds + 1)}" if pairs else f"more than {_MOST_SEEDS}"
        return verdict("inconclusive", f"{tested}: needs {needs} seeds to decide")
    doubtful = next((guard for guard in guards if not guard.holds), None)
    if doubtful is not None:
        return verdict("inconclusive", f"{tested}, but {guard_sentence(doubtful)}")
    return verdict("kept", tested)


def _unpaired(attempt: Arm, comparator: Arm, metric: str, evidence: Sequence[int]) -> float:
    """The attempt's mean over `evidence` less the comparator's over all the seeds that it has."""
    return statistics.fmean(value_of(attempt, seed, metric) for seed in evidence) - statistics.fmean(
        value_of(comparator, seed, metric) for seed in comparator.scores
    )


def _p_value(changes: Sequence[float], alpha: float) -> tuple[float, str]:
    """By sign flips where they can reach `alpha` and can be counted, by t otherwise: never by the data."""
    if 2.0 ** -len(changes) <= alpha and len(changes) <= MOST_FLIPPED:
        return sign_flip_p_value(changes), "sign flips"
    return paired_test(changes).p_value, "t"


def _screen(
    attempt: Arm, comparator: Arm, baseline: Arm, rules: Rules, sign: float, noise: float, seeds: int
) -> Verdict | NeedSeed:
    paired = paired_changes(attempt, comparator, rules.metric, [SCREENING_SEED])[0]
    screening = [seed for seed in comparator.scores if seed == SCREENING_SEED or seed > seeds]
    usual = statistics.fmean(value_of(comparator, seed, rules.metric) for seed in screening)
    change = (paired + value_of(attempt, SCREENING_SEED, rules.metric) - usual) / 2
    guards = _guards(attempt, baseline, rules, [SCREENING_SEED])
    reason = None
    if sign * change <= 0 or sign * change < noise / 4:
        needed = signed(sign * noise / 4)
        seen = f"{signed(change)} on the screening seed"
        reason = f"screened out: {seen}, {needed} (a quarter of the noise) enters"
    for guard in guards:
        slack = guard.tolerance + 3.0 * _seed_deviation(baseline, guard.metric)
        if reason is None and guard.change < -slack:
            reason = f"screened out: {guard_sentence(guard)}, too far for seed noise"
    if reason is not None:
        return Verdict("reverted", change, None, None, 0.0, 0, guards, reason)
    return NeedSeed(SCREENING_SEED + 1, f"enters with {signed(change)} on the screening seed")


def _evidence(attempt: Arm, seeds: int) -> list[int]:
    evidence: list[int] = []
    while len(evidence) < seeds and len(evidence) + 1 in attempt.scores:
        evidence.append(len(evidence) + 1)
    return evidence


def _guards(attempt: Arm, baseline: Arm, rules: Rules, seeds: Sequence[int]) -> tuple[GuardResult, ...]:
    results = []
    for guard in rules.guards:
        changes = paired_changes(attempt, baseline, guard.metric, seeds)
        mean = statistics.fmean(changes)
        if len(changes) < 2:
            results.append(GuardResult(guard.metric, guard.tolerance, mean, None, None, None))
        else:
            error = paired_test(changes).standard_error
            results.append(guard_result(guard, mean, error, paired_lower_bound(changes, LEVEL)))
    return tuple(results)


def _broken(guards: Sequence[GuardResult], *, final: bool) -> GuardResult | None:
    """The first guard whose estimate lies beyond its tolerance: by two errors, or at all when final."""
    for guard in guards:
        beyond = -guard.tolerance - guard.change
        if guard.standard_error is not None and beyond > (0.0 if final else 2.0 * guard.standard_error):
            return guard
    return None


def _seed_deviation(arm: Arm, metric: str) -> float:
    values = [value_of(arm, seed, metric) for seed in arm.scores]
    return statistics.stdev(values) if len(values) > 1 else 0.0
