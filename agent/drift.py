"""Diagnostics that moved: what a verdict does not weigh, and a person should see.

Owns which metrics are told of; guards and the metric itself have their own places.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from agent.arms import Arm, Rules

_DEVIATIONS = 5.0
_SHARE = 0.1
_MOST_TOLD = 5


def moved(attempt: Arm, baseline: Arm, rules: Rules, shown: Sequence[int]) -> list[str]:
    """Other metrics than those that decide which lie far from the baseline's, the farthest first.

    Far is more than five standard errors of the difference (by the baseline's seed noise) and a tenth of the
    baseline's value: validity, response length, distinct answers, entropy. It is a warning and no verdict.
    """
    decides = {rules.metric, *(guard.metric for guard in rules.guards)}
    scores = [attempt.scores[seed] for seed in shown if seed in attempt.scores]
    if not scores or len(baseline.scores) < 2:
        return []
    found = []
    for name in scores[0].metrics:
        theirs = [score.metrics[name].value for score in baseline.scores.values() if name in score.metrics]
        ours = [score.metrics[name].value for score in scores if name in score.metrics]
        if name in decides or len(theirs) < 2 or len(ours) < len(scores):
            continue
        before, after = statistics.fmean(theirs), statistics.fmean(ours)
        error = statistics.stdev(theirs) * math.sqrt(1 / len(ours) + 1 / len(theirs))
        far = abs(after - before) / error if error > 0 else math.inf
        if far > _DEVIATIONS and abs(after - before) > _SHARE * abs(before):
            found.append((far, f"{name} {before:.3g} to {after:.3g}"))
    return [told for _, told in sorted(found, key=lambda one: -one[0])[:_MOST_TOLD]]
