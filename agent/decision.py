"""Keep or revert, under seed noise.

Owns the verdict and the alpha that it may spend: it neither trains, nor scores, nor touches git.

A screening seed chooses who enters the race and is never evidence; `seeds` says which are which. Both arms
use the same seeds and tasks, so differences are paired by seed. What is claimed by a verdict is a claim
about the tasks of the selection split; that it carries over to other tasks is for `winner` to say.

The theory is alpha spending, twice. Over a run: the online fallback procedure (Tian & Ramdas 2021, arXiv
1910.04900) gives every entrant a share of the run's alpha. Within a race: a spending function (Lan & DeMets
1983) gives every look a share of the entrant's, and `evaluators.sequential` turns shares into thresholds.
Each look is Student's t on paired differences with their own variance, so unequal variances of the arms
change nothing. It assumes that the differences of a null edit have a mean of at most nil and are near enough
to normal: heavy tails make it keep less, two-valued differences on few seeds could make it keep more.
Races share evidence seeds until their block is used up: the bound is for edits that were not chosen by
looking at what those seeds said of others.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
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
from agent.seeds import SCREENING_SEED, SeedPlan
from evaluators.sequential import spending, t_thresholds
from evaluators.significance import (
    least_significant_change,
    needed_seeds,
    paired_interval,
    paired_test,
    welch_lower_bound,
)

ENTERS_WITH = 0.75
SCREENING_DEVIATION = math.sqrt(1.5)
FIRST_LOOK = 5
_SPENDING_POWER = 1.0
_GIVE_UP_AFTER = 2
_HOPE = 0.25
_MOST_SEEDS = 99

Decided = Literal["kept", "reverted", "inconclusive", "void"]


@dataclass(frozen=True)
class Verdict:
    """What became of an attempt, and on which figures.

    `change` is the paired mean difference to the comparator, in units of the metric and signed as the
    metric is; `interval` is its two-sided 95% t interval over seeds, as if nobody had looked before. `seeds`
    counts evidence seeds; with none, `change` is the screening seed's and has no error. `p_value` is the
    last look's and was held against that look's `threshold`; both are None where no look was taken.
    `alpha_spent` is what the entrant could spend in all, 0 for who never entered. `seed_changes` are the
    paired differences, by evidence seed.
    """

    outcome: Decided
    change: float | None
    standard_error: float | None
    interval: tuple[float, float] | None
    alpha_spent: float
    seeds: int
    guards: tuple[GuardResult, ...]
    reason: str
    p_value: float | None = None
    threshold: float | None = None
    seed_changes: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class NeedSeed:
    """The race goes on: train and score this seed, then judge again."""

    seed_index: int
    reason: str


def expected_entrants(attempts: int) -> int:
    """How many attempts are planned to pass screening; of null edits a quarter do."""
    return max(2, math.ceil(attempts / 4))


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


def threshold_at_look(alpha: float, look: int, seeds: int) -> float:
    """The p-value that a test must reach when `look` of at most `seeds` evidence seeds are in; 0: no look.

    After n seeds alpha n/seeds is spent in all, beginning at the fifth seed, where what came before is
    spent too; where fewer are allowed, all of it is spent at the last.
    """
    looks = range(min(FIRST_LOOK, seeds), seeds + 1)
    return t_thresholds(spending(alpha, looks, seeds, _SPENDING_POWER))[look - 1]


def judge(
    attempt: Arm, comparator: Arm, baseline: Arm, rules: Rules, *, plan: SeedPlan, alpha: float, noise: float
) -> Verdict | NeedSeed:
    """Decide an attempt, or ask for the next seed.

    `plan` says which seeds an attempt may have, `alpha` what this entrant may spend, `noise` is the seed
    standard deviation of the baseline's metric. An attempt enters if the screening seed shows at least
    `ENTERS_WITH` of `noise`, held half against the comparator on that seed and half against its mean over all
    screening seeds, so that one lucky seed of the comparator does not shut out everything. From the fifth
    evidence seed on it is kept as soon as a one-sided paired t test against the rules' minimum effect reaches
    that look's threshold and every guard is shown to hold. It is reverted as soon as two or more
    evidence seeds leave no hope: a gain a quarter of a standard error above what they show, held half against
    the same seeds and half against the mean of all of the comparator's, would not pass in the end. Giving
    up, on whatever ground, cannot add false keeps.

    Raises:
        InvalidComparison: a seed that the attempt has is missing on the other side, or a metric is.
        ValueError: fewer than two evidence seeds, or a negative noise.
    """
    seeds = len(plan.evidence)
    if seeds < 2 or noise < 0:
        raise ValueError(f"need at least 2 evidence seeds and a noise of at least 0, got {seeds}, {noise}")
    if SCREENING_SEED not in attempt.scores:
        return NeedSeed(SCREENING_SEED, "the screening seed says who enters the race")
    evidence = _evidence(attempt, plan)
    for seed in (SCREENING_SEED, *evidence):
        if not all(math.isfinite(metric.value) for metric in attempt.scores[seed].metrics.values()):
            return Verdict(
                "void", None, None, None, alpha if evidence else 0.0, len(evidence), (),
                f"seed {seed} scored a value that is not a number",
            )  # fmt: skip
    sign = 1.0 if rules.direction == "maximise" else -1.0
    if not evidence:
        return _screen(attempt, comparator, baseline, rules, sign, noise, plan)
    changes = [sign * change for change in paired_changes(attempt, comparator, rules.metric, evidence)]
    guards = _guards(attempt, baseline, rules, evidence, seeds)
    if len(evidence) < 2:
        return NeedSeed(plan.evidence[1], f"{signed(sign * changes[0])} on one evidence seed")
    unpaired = sign * _unpaired(attempt, comparator, rules.metric, evidence)
    return _Race(changes, unpaired, guards, rules, sign, plan.evidence, alpha, noise).ruling()


@dataclass(frozen=True)
class _Race:
    """A race with at least two evidence seeds; changes and `unpaired` are signed so that more is better."""

    changes: Sequence[float]
    unpaired: float
    guards: tuple[GuardResult, ...]
    rules: Rules
    sign: float
    seeds: Sequence[int]
    alpha: float
    noise: float

    def ruling(self) -> Verdict | NeedSeed:
        """The verdict as soon as there is one."""
        test = paired_test(self.changes)
        final = test.seeds == len(self.seeds)
        if test.standard_deviation <= 1e-9 * test.change:
            reason = f"{self._figures()}: seeds that change nothing cannot be trusted; look for a fixed seed"
            return self._verdict("void", reason)
        if final and test.change <= 0:
            return self._verdict("reverted", f"no gain: {self._figures()}")
        hoped, passing = self._outlook()
        if not final and test.seeds >= _GIVE_UP_AFTER and hoped < passing:
            sight = (
                f"{signed(self.sign * hoped)} is to be hoped for and {signed(self.sign * passing)} would pass"
            )
            return self._verdict("reverted", f"no gain in sight: {self._figures()}; {sight}")
        broken = _broken(self.guards, final=final)
        if broken is not None:
            reason = f"{guard_sentence(broken)}; {self.rules.metric} {self._figures()}"
            return self._verdict("reverted", reason)
        threshold = threshold_at_look(self.alpha, test.seeds, len(self.seeds))
        if threshold > 0:
            return self._looked(threshold, final=final)
        return NeedSeed(self.seeds[test.seeds], self._figures())

    def _looked(self, threshold: float, *, final: bool) -> Verdict | NeedSeed:
        least = self.rules.minimum_effect
        test = paired_test([change - least for change in self.changes])
        over = f" over {least:g}" if least else ""
        tested = f"{self._figures()}, p = {test.p_value:.2g}{over}, {threshold:.2g} is needed"

        def verdict(outcome: Decided, reason: str) -> Verdict:
            return replace(self._verdict(outcome, reason), p_value=test.p_value, threshold=threshold)

        doubtful = next((guard for guard in self.guards if not guard.holds), None)
        if test.p_value <= threshold and doubtful is None:
            return verdict("kept", tested)
        if not final:
            return NeedSeed(self.seeds[test.seeds], self._figures())
        if test.p_value <= threshold and doubtful is not None:
            return verdict("inconclusive", f"{tested}, but {guard_sentence(doubtful)}")
        pairs = needed_seeds(test.change, test.standard_deviation, threshold, most=_MOST_SEEDS)
        needs = f"about {max(pairs, len(self.seeds) + 1)}" if pairs else f"more than {_MOST_SEEDS}"
        return verdict("inconclusive", f"{tested}: needs {needs} seeds to decide")

    def _outlook(self) -> tuple[float, float]:
        """A gain a little above what was seen, and what would pass in the end."""
        test = paired_test(self.changes)
        spread = min(self.noise, test.standard_deviation)
        hoped = (test.change + self.unpaired) / 2 + _HOPE * spread / math.sqrt(test.seeds)
        seeds = len(self.seeds)
        last = threshold_at_look(self.alpha, seeds, seeds)
        return hoped, self.rules.minimum_effect + least_significant_change(spread, seeds, last)

    def _figures(self) -> str:
        test = paired_test(self.changes)
        return f"{signed(self.sign * test.change)} ± {test.standard_error:.3g} on {test.seeds} seeds"

    def _verdict(self, outcome: Decided, reason: str) -> Verdict:
        test = paired_test(self.changes)
        low, high = sorted(self.sign * bound for bound in paired_interval(self.changes, LEVEL))
        change = self.sign * test.change
        return Verdict(
            outcome,
            change,
            test.standard_error,
            (low, high),
            self.alpha,
            test.seeds,
            self.guards,
            reason,
            seed_changes=tuple(
                (seed, self.sign * value) for seed, value in zip(self.seeds, self.changes, strict=False)
            ),
        )


def _unpaired(attempt: Arm, comparator: Arm, metric: str, evidence: Sequence[int]) -> float:
    """The attempt's mean over `evidence` less the comparator's over all the seeds that it has."""
    return statistics.fmean(value_of(attempt, seed, metric) for seed in evidence) - statistics.fmean(
        value_of(comparator, seed, metric) for seed in comparator.scores
    )


def screening_change(attempt: Arm, comparator: Arm, metric: str, plan: SeedPlan) -> float:
    """By how much an attempt's screening seed differs, in units of the metric.

    Held half against the comparator on that seed and half against its mean over all screening seeds: with
    three of them its standard deviation is `SCREENING_DEVIATION` times that of one training.
    """
    paired = paired_changes(attempt, comparator, metric, [SCREENING_SEED])[0]
    screening = [seed for seed in plan.screening if seed in comparator.scores]
    usual = statistics.fmean(value_of(comparator, seed, metric) for seed in screening)
    return (paired + value_of(attempt, SCREENING_SEED, metric) - usual) / 2


def _screen(
    attempt: Arm, comparator: Arm, baseline: Arm, rules: Rules, sign: float, noise: float, plan: SeedPlan
) -> Verdict | NeedSeed:
    change = screening_change(attempt, comparator, rules.metric, plan)
    guards = _guards(attempt, baseline, rules, [SCREENING_SEED], len(plan.evidence))
    reason = None
    if sign * change <= 0 or sign * change < ENTERS_WITH * noise:
        needed = signed(sign * ENTERS_WITH * noise)
        seen = f"{signed(change)} on the screening seed (seed noise {noise:.2g})"
        reason = f"screened out: {seen}, {needed} enters"
    for guard in guards:
        slack = guard.tolerance + 3.0 * _seed_deviation(baseline, guard.metric)
        if reason is None and guard.change < -slack:
            reason = f"screened out: {guard_sentence(guard)}, too far for seed noise"
    if reason is not None:
        return Verdict("reverted", change, None, None, 0.0, 0, guards, reason)
    return NeedSeed(plan.evidence[0], f"enters with {signed(change)} on the screening seed")


def _evidence(attempt: Arm, plan: SeedPlan) -> list[int]:
    """The seeds that may be looked at: up to the first that is missing."""
    return list(takewhile(lambda seed: seed in attempt.scores, plan.evidence))


def _guards(
    attempt: Arm, baseline: Arm, rules: Rules, shown: Sequence[int], seeds: int
) -> tuple[GuardResult, ...]:
    """Every guard on the seeds `shown` against all of the baseline's, by Welch's t.

    All must hold, so each may spend the whole 5% over its looks (intersection-union: Berger 1982).
    """
    level = 1.0 - (threshold_at_look(1.0 - LEVEL, len(shown), seeds) or 1.0 - LEVEL)
    results = []
    for guard in rules.guards:
        ours = [value_of(attempt, seed, guard.metric) for seed in shown]
        theirs = [value_of(baseline, seed, guard.metric) for seed in baseline.scores]
        if min(len(ours), len(theirs)) < 2:
            change = statistics.fmean(ours) - statistics.fmean(theirs)
            results.append(GuardResult(guard.metric, guard.tolerance, change, None, None, None))
        else:
            found = welch_lower_bound(ours, theirs, level)
            results.append(guard_result(guard, found.change, found.standard_error, found.bound))
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
