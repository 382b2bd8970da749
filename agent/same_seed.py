"""Does an edit fix the seed? Then its trainings are one training, and say nothing of the next.

Owns the comparison of trainings of one code; what follows from it is the referee's.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from environments.base import Score
from workspaces.measurements import Measurement

_SAME = 1e-3


def seeds_alike(measured: Mapping[int, Measurement], metric: str) -> str | None:
    """Names two seeds whose trainings are one and the same; None where none are.

    They are where their policies are equal bit by bit, or where `metric` is equal on every task and no other
    metric tells them apart: perfect policies agree in it too, and yet are two.
    """
    for one, other in itertools.combinations(sorted(measured), 2):
        if measured[one].policy_hash == measured[other].policy_hash:
            return f"seeds {one} and {other} gave the same policy: the edit fixes the seed"
        if _agree(measured[one].score, measured[other].score, metric):
            return f"seeds {one} and {other} gave the same outcome on every task: the edit fixes the seed"
    return None


def _agree(one: Score, other: Score, metric: str) -> bool:
    mine, yours = one.metrics[metric].per_task, other.metrics[metric].per_task
    if mine != yours or len(set(mine)) < 2:
        return False
    return all(
        _close([found.value, *found.per_task], [other.metrics[name].value, *other.metrics[name].per_task])
        for name, found in one.metrics.items()
        if name != metric and name in other.metrics
    )


def _close(mine: Sequence[float], yours: Sequence[float]) -> bool:
    return len(mine) == len(yours) and bool(np.allclose(mine, yours, rtol=_SAME, atol=_SAME))
