"""What is claimed of a winner: confirmed on sealed tasks or not, above the frontier or not.

Owns the two claims; the measurements they rest on are made in `confirm`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.arms import (
    LEVEL,
    Arm,
    GuardResult,
    InvalidComparison,
    Rules,
    crossed,
    guard_result,
    guard_sentence,
    signed,
)
from evaluators.significance import CrossedInterval


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

    `best` names the point that comes closest to the winner; `change` is the winner's lead over it, and
    `leads` are those over every point, on the seeds that it shares with the winner.
    """

    above: bool | None
    best: str | None
    change: float | None
    interval: tuple[float, float] | None
    reason: str
    leads: Mapping[str, CrossedInterval] = field(default_factory=dict)


def judge_confirmation(winner: Arm, baseline: Arm, rules: Rules) -> Confirmation:
    """Compare the winner with the baseline on fresh seeds and the sealed split.

    Raises:
        InvalidComparison: fewer than two shared seeds, other tasks, a missing metric, or a value that
            is not a number.
    """
    seeds = _shared(winner, baseline)
    sign = 1.0 if rules.direction == "maximise" else -1.0
    gain = crossed(winner, baseline, rules.metric, seeds, LEVEL)
    low, high = gain.interval
    better = low > 0 if sign > 0 else high < 0
    guards = []
    for guard in rules.guards:
        found = crossed(winner, baseline, guard.metric, seeds, 2.0 * LEVEL - 1.0)
        guards.append(guard_result(guard, found.change, found.standard_error, found.interval[0]))
    broken = next((guard for guard in guards if not guard.holds), None)
    reason = (
        f"{rules.metric} {signed(gain.change)}, 95% interval {signed(low)} to {signed(high)}, on"
        f" {len(seeds)} fresh seeds: {'the gain is confirmed' if better else 'no gain is shown'}"
    )
    if broken is not None:
        reason += f", but {guard_sentence(broken)}"
    return Confirmation(
        change=gain.change,
        standard_error=gain.standard_error,
        interval=gain.interval,
        seed_se=gain.seed_se,
        cluster_se=gain.cluster_se,
        seeds=len(seeds),
        better=better,
        guards=tuple(guards),
        confirmed=better and broken is None,
        reason=reason,
    )


def above_frontier(
    winner: Arm, frontier: Mapping[str, Arm], rules: Rules, level: float = LEVEL
) -> FrontierVerdict:
    """Compare the winner with every point that learning rate and length alone reach, baseline included.

    `frontier` maps a point's label to its arm. The winner lies above if the interval of its lead excludes
    0 over each of them, at `level`; `best` is the point that comes closest. A point without two seeds in
    common with the winner cannot be compared, and then nothing above is claimed.

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
            leads[label] = crossed(winner, arm, rules.metric, _shared(winner, arm), level)
    if not leads:
        return FrontierVerdict(
            None,
            None,
            None,
            None,
            "not comparable with the frontier: no point of it shares two seeds with the winner",
        )
    best = min(leads, key=lambda label: sign * leads[label].change)
    doubtful = [label for label, lead in leads.items() if lead.interval[0] <= 0 <= lead.interval[1]]
    lead = leads[best]
    figures = _lead(lead, f"{best}, the closest point")

    def verdict(above: bool | None, reason: str) -> FrontierVerdict:
        return FrontierVerdict(above, best, lead.change, lead.interval, reason, leads)

    if sign * lead.change <= 0:
        return verdict(False, f"not above the frontier: {figures}")
    if unpaired:
        missing = f"without two shared seeds: {', '.join(unpaired)}"
        return verdict(None, f"not to be placed beside the frontier: {figures}; {missing}")
    if doubtful:
        widest = best if best in doubtful else doubtful[0]
        told = figures if widest == best else f"{figures}, but {_lead(leads[widest], widest)}"
        return verdict(None, f"not distinguishable from the frontier: {told}")
    return verdict(True, f"above the frontier: {figures}")


def _lead(lead: CrossedInterval, over: str) -> str:
    return f"{signed(lead.change)} ({signed(lead.interval[0])} to {signed(lead.interval[1])}) against {over}"


def _shared(arm: Arm, other: Arm) -> list[int]:
    shared = sorted(arm.scores.keys() & other.scores.keys())
    if len(shared) < 2:
        raise InvalidComparison(f"a comparison needs two shared seeds, but the arms share {len(shared)}")
    return shared
