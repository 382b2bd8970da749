"""From what was measured of a domain to its probes, one function each.

Owns the formulas; thresholds and words are those of `environments.suitability`. Scores are signed by the
caller so that higher is better.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from environments.suitability import LIMITS, Level, Probe, answer
from evaluators.reliability import (
    area_under_curve,
    deviation_interval,
    intraclass_correlation,
    pairs_needed,
)


def not_measured(probe: str, why: str) -> Probe:
    return answer(probe, "not measured", None, why)


def scalar(scores: Mapping[str, float], low: float, high: float) -> Probe:
    """M1: policy -> score, unsigned; the range that the domain declares."""
    for name, value in scores.items():
        if not math.isfinite(value):
            return answer("M1", "unsuitable", None, f"{name} scores {value}, which is no finite number")
        if not low <= value <= high:
            told = f"{name} scores {value:.6g}, outside the declared range {low:g} to {high:g}"
            return answer("M1", "unsuitable", value, told)
    told = f"{len(scores)} policies, {min(scores.values()):.4f} to {max(scores.values()):.4f}"
    return answer("M1", "passed", float(len(scores)), told)


def determinism(repeats: Sequence[float], sigma: float | None, gain: float | None) -> Probe:
    """M2: scores of one policy with one seed; `gain` is what training gains, None before it is known."""
    spread = max(repeats) - min(repeats)
    told = f"{len(repeats)} scorings of one policy lie {spread:.3g} apart"
    if spread == 0:
        return answer("M2", "passed", 0.0, f"{len(repeats)} scorings of one policy are equal")
    if gain is not None and spread >= LIMITS.repeat_spread_of_gain * abs(gain):
        return answer("M2", "unsuitable", spread, f"{told}, training changes the score by {gain:+.3g}")
    if sigma is None:
        return not_measured("M2", f"{told}, and the seed noise is not known")
    level: Level = "passed" if spread <= LIMITS.repeat_spread * sigma else "conditional"
    return answer("M2", level, spread, f"{told}, sigma is {sigma:.3g}")


def seed_noise(scores: Sequence[float], different: int) -> Probe:
    """M3: the baseline's scores over seeds, and how many different policies they came from."""
    sigma = statistics.stdev(scores)
    if different < len(scores):
        told = f"{len(scores)} seeds gave {different} different policies"
        return answer("M3", "unsuitable", float(different), told)
    low, high = deviation_interval(sigma, len(scores))
    told = f"sigma {sigma:.3g} over {len(scores)} seeds, 95% interval {low:.3g} to {high:.3g}"
    return answer("M3", "reported", sigma, told)


def reliability(rows: Mapping[str, Sequence[float]]) -> Probe:
    """M4: policy -> its scores on other draws of tasks."""
    found = intraclass_correlation(list(rows.values()))
    told = f"ICC {found.value:.3f} [{found.low:.3f}, {found.high:.3f}] over {', '.join(rows)}"
    if found.value < LIMITS.least_reliability:
        return answer("M4", "unsuitable", found.value, told)
    return answer("M4", "passed" if found.low >= LIMITS.reliability else "conditional", found.value, told)


def power(effect: float, sigma: float, seconds: float, budget_hours: float) -> Probe:
    """M5: pairs that a paired t test needs for `effect`; `sigma` is one training's, `seconds` one's."""
    deviation = sigma * math.sqrt(2.0)
    if effect <= 0:
        return not_measured("M5", "training gains nothing, so no effect is known to look for")
    pairs = 2 if deviation == 0 else pairs_needed(effect, deviation)
    told = f"an effect of {effect:.3g} at sigma {sigma:.3g}"
    if pairs is None:
        return answer("M5", "unsuitable", None, f"{told} needs more than 10,000 pairs of seeds")
    share = 2 * pairs * seconds / (3600 * budget_hours)
    told += f" needs {pairs} pairs of seeds, {share:.1%} of {budget_hours:g} h"
    level: Level = "passed" if share <= LIMITS.power_budget else "conditional"
    if share > 1 or pairs > LIMITS.most_pairs:
        level = "unsuitable"
    return answer("M5", level, float(pairs), told)


def known_groups(
    baseline: Sequence[float], degraded: Mapping[str, float], trivial: Mapping[str, float], sigma: float
) -> Probe:
    """M6: the baseline against policies that are known to be worse."""
    if not degraded:
        return not_measured("M6", "the domain gives no degraded policy")
    told, level = [], "passed"
    least = math.inf
    for name, group in (("degraded", degraded), ("trivial", trivial)):
        if not group:
            continue
        area = area_under_curve(baseline, list(group.values()))
        gap = statistics.fmean(baseline) - statistics.fmean(group.values())
        least = min(least, area)
        told.append(f"over {name} policies AUC {area:.2f}, gap {gap:+.3g} ({', '.join(group)})")
        if area < LIMITS.separation or gap <= 0 or gap < LIMITS.gap * sigma:
            level = "unsuitable"
    verdict: Level = "unsuitable" if level == "unsuitable" else "passed"
    return answer("M6", verdict, least, f"{'; '.join(told)}; sigma {sigma:.3g}")


def gaming(baseline: float, trivial: Mapping[str, float], random: float | None) -> Probe:
    """M7: how much of the baseline's distance to a random policy a trivial one covers."""
    if random is None or not trivial:
        return not_measured("M7", "the domain gives no trivial policies")
    if baseline <= random:
        told = f"the baseline ({baseline:.4f}) is no better than a random policy ({random:.4f})"
        return not_measured("M7", told)
    best = max(trivial, key=lambda each: trivial[each])
    share = (trivial[best] - random) / (baseline - random)
    told = f"{best} scores {trivial[best]:.4f}, random {random:.4f}, the baseline {baseline:.4f}: {share:.2f}"
    level: Level = "passed" if share <= LIMITS.gaming else "conditional"
    if share >= LIMITS.most_gaming:
        level = "unsuitable"
    return answer("M7", level, share, told)


def headroom(baseline: float, best: float, sigma: float) -> Probe:
    """M8: what is left to gain, in sigmas."""
    if sigma == 0 or math.isinf(best):
        room = math.inf if best > baseline else 0.0
    else:
        room = (best - baseline) / sigma
    told = f"baseline {baseline:.4f}, best possible {best:g}: {room:.1f} sigma"
    level: Level = "passed" if room >= LIMITS.headroom else "unsuitable"
    return answer("M8", level, None if math.isinf(room) else room, told)


def immediacy(scoring: float, training: float, human: bool) -> Probe:
    """M9: seconds from the end of a training to its score, against those of the training."""
    if human:
        return answer("M9", "unsuitable", None, "a person makes the score")
    told = f"scoring takes {scoring:.3g} s, training {training:.3g} s"
    return answer("M9", "passed" if scoring <= max(training, 1.0) else "conditional", scoring, told)


def isolation(reached: Sequence[str], written: Sequence[str], touched: Sequence[str], tried: bool) -> Probe:
    """A1: editable files that the evaluator reads, scores that stand in files which an attempt writes,
    protected files that an attempt changed, and whether one tried."""
    told = []
    if reached:
        told.append(f"the evaluator reads {', '.join(reached)}, which is editable")
    if written:
        told.append(f"the score stands in {', '.join(written)}, which the attempt writes")
    if touched:
        told.append(f"an attempt changed {', '.join(touched)}, which is protected")
    if told:
        return answer("A1", "unsuitable", float(len(told)), "; ".join(told))
    said = "the evaluator reads no editable file and no score that an attempt writes"
    said += "; an attempt that tried changed no protected file" if tried else ""
    return answer("A1", "passed", 0.0, said)


def surface(lines: int, files: int) -> Probe:
    """A2: editable lines."""
    within = LIMITS.least_lines <= lines <= LIMITS.most_lines
    told = f"{lines} editable lines in {files} {'file' if files == 1 else 'files'}"
    return answer("A2", "passed" if within else "conditional", float(lines), told)


def sensitivity(changes: Mapping[str, float | None], no_op: float | None, sigma: float) -> Probe:
    """A3: planted edit -> change of the score (None: it gave no policy), and that of an edit of nothing."""
    if not changes:
        return not_measured("A3", "no edit could be planted: the editable files hold no numbers by name")
    moved = {n: c for n, c in changes.items() if c is None or abs(c) > LIMITS.moved * sigma}
    share = len(moved) / len(changes)
    shown = ", ".join(f"{n} {'no policy' if c is None else f'{c:+.3g}'}" for n, c in changes.items())
    told = f"{len(moved)} of {len(changes)} planted edits move the score ({shown}); sigma {sigma:.3g}"
    level: Level = "passed" if share >= LIMITS.sensitive_share else "conditional"
    if no_op is None:
        told += "; no edit of nothing could be planted"
    else:
        told += f"; an edit of nothing {no_op:+.3g}"
        if abs(no_op) > LIMITS.moved * sigma:
            level = "conditional"
    return answer("A3", "unsuitable" if share == 0 else level, share, told)


def attribution(both: float, first: float, second: float, neither: float) -> Probe:
    """A4: the interaction of two edits against the larger of their effects."""
    largest = max(abs(first - neither), abs(second - neither))
    if largest == 0:
        return not_measured("A4", "neither of the two edits moves the score")
    share = abs(both - first - second + neither) / largest
    told = f"interaction {both - first - second + neither:+.3g}, the larger effect {largest:.3g}"
    return answer("A4", "passed" if share <= LIMITS.interaction else "conditional", share, told)


def attempt_seconds(seconds: Sequence[float]) -> Probe:
    """F1: seconds of real attempts, one training and its scoring each."""
    slowest = _quantile(seconds, 0.9)
    told = f"median {statistics.median(seconds):.3g} s, 90% within {slowest:.3g} s ({len(seconds)} attempts)"
    hours = slowest / 3600
    level: Level = "passed" if hours <= LIMITS.attempt_hours else "conditional"
    return answer("F1", "unsuitable" if hours > LIMITS.most_attempt_hours else level, slowest, told)


def attempts(seconds: float, budget_hours: float) -> Probe:
    """F2: how many attempts a budget holds."""
    count = math.floor(3600 * budget_hours / seconds) if seconds > 0 else 10**9
    level: Level = "passed" if count >= LIMITS.attempts else "conditional"
    told = f"{count:,} attempts of {seconds:.3g} s within {budget_hours:g} h"
    return answer("F2", "unsuitable" if count < LIMITS.least_attempts else level, float(count), told)


def overhead(useful: float, total: float) -> Probe:
    """F3: the share of worker seconds that went neither into training nor into scoring."""
    share = max(0.0, 1 - useful / total) if total > 0 else 0.0
    level: Level = "passed" if share <= LIMITS.overhead else "advice"
    return answer("F3", level, share, f"{share:.0%} of {total:.0f} worker seconds were not spent on them")


def reproduction(before: float, after: float | None, sigma: float, spread: float) -> Probe:
    """V1: the score of one commit and seed, and that of a clean checkout of it."""
    if after is None:
        return answer("V1", "unsuitable", None, "a clean checkout gave no policy")
    change, allowed = after - before, max(LIMITS.moved * sigma, spread)
    told = f"a clean checkout scores {after:.4f}, before {before:.4f}; {allowed:.3g} is allowed"
    return answer("V1", "passed" if abs(change) <= allowed else "unsuitable", change, told)


def revert(equal_tree: bool, before: float, after: float | None) -> Probe:
    """V2: whether a reverted edit gives the parent's tree, and the score that is found for it again."""
    if not equal_tree:
        return answer("V2", "unsuitable", None, "the tree after the revert is another than the parent's")
    if after != before:
        told = f"the parent's score {before:.4f} is not found again after the revert"
        return answer("V2", "unsuitable", after, told)
    told = f"the tree after the revert is the parent's, and its score {before:.4f} is found again"
    return answer("V2", "passed", 0.0, told)


def hygiene(added: Sequence[str]) -> Probe:
    """V3: binaries and large files that an attempt added to what is tracked."""
    if added:
        return answer("V3", "conditional", float(len(added)), f"an attempt added {', '.join(added)}")
    return answer("V3", "passed", 0.0, "attempts added no binary and no large file")


def diff_size(changed_lines: Sequence[int]) -> Probe:
    """V4: changed lines of the edits that were made."""
    largest = _quantile(list(map(float, changed_lines)), 0.95)
    level: Level = "passed" if largest <= LIMITS.changed_lines else "advice"
    told = f"95% of {len(changed_lines)} edits change at most {largest:.0f} lines"
    return answer("V4", level, largest, told)


def _quantile(values: Sequence[float], share: float) -> float:
    """The least value that at least `share` of them do not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
