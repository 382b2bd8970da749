"""Pass@k: the chance that at least one of k tries is correct.

Owns the unbiased estimator; drawing the tries and judging them belong to `evaluators.sampling` and to
the environment.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray

from evaluators.clustered import clustered_standard_error


@overload
def pass_at_k(correct: int, samples: int, k: int) -> float: ...
@overload
def pass_at_k(correct: NDArray[np.integer] | Sequence[int], samples: int, k: int) -> NDArray[np.float64]: ...
def pass_at_k(
    correct: int | NDArray[np.integer] | Sequence[int], samples: int, k: int
) -> float | NDArray[np.float64]:
    """Estimate pass@k without bias from `correct` of `samples` tries (Chen et al. 2021, arXiv 2107.03374).

    1 - C(samples - correct, k) / C(samples, k), as a product so that nothing overflows. `correct` is a
    count or an array of counts, one a task; the answer has the same shape.

    Raises:
        ValueError: k is not within 1..samples, or a count is not a whole number within 0..samples.
    """
    if not 1 <= k <= samples:
        raise ValueError(f"pass@k needs 1 <= k <= samples, got k={k} with {samples} samples")
    counts = np.asarray(correct)
    if counts.size and not np.issubdtype(counts.dtype, np.integer):
        raise ValueError(f"counts of correct tries must be whole numbers, got {counts.dtype}")
    if counts.size and (counts.min() < 0 or counts.max() > samples):
        raise ValueError(
            f"counts of correct tries must lie within 0..{samples}, got {counts.min()}..{counts.max()}"
        )
    wrong = samples - counts.astype(np.float64)
    drawn = np.arange(k)
    all_wrong = np.prod(np.clip(wrong[..., None] - drawn, 0.0, None) / (samples - drawn), axis=-1)
    return float(1.0 - all_wrong) if counts.ndim == 0 else np.asarray(1.0 - all_wrong, dtype=np.float64)


def best_of_k(rewards: Sequence[float], k: int) -> float:
    """What the best of k tries earns, without bias: the mean of the maximum over all sets of k rewards.

    Of rewards of 0 and 1 it is pass@k.

    Raises:
        ValueError: k is not within 1..the number of rewards.
    """
    samples = len(rewards)
    if not 1 <= k <= samples:
        raise ValueError(f"the best of k needs 1 <= k <= samples, got k={k} with {samples} samples")
    sets = math.comb(samples, k)
    return sum(
        reward * (math.comb(rank, k - 1) / sets)
        for rank, reward in enumerate(sorted(rewards))
        if rank >= k - 1
    )


@dataclass(frozen=True)
class PassAtK:
    """Mean pass@k over tasks. `standard_error` is None where fewer than two clusters exist."""

    value: float
    standard_error: float | None
    per_task: NDArray[np.float64]


def mean_pass_at_k(
    correct: NDArray[np.integer] | Sequence[int],
    samples: int,
    k: int,
    clusters: Sequence[str] | None = None,
) -> PassAtK:
    """Mean over tasks of the unbiased pass@k, never over pooled samples, with its standard error.

    The error is that of other tasks drawn, whole `clusters` (one name a task; each task its own where
    none are given) at a time; the noise of the samples within a task is part of it. Draw samples >= 2 k.

    Raises:
        ValueError: there is no task, or as `pass_at_k`.
    """
    per_task = np.atleast_1d(np.asarray(pass_at_k(list(correct), samples, k), dtype=np.float64))
    if not len(per_task):
        raise ValueError("a mean pass@k needs at least one task")
    names = [str(task) for task in range(len(per_task))] if clusters is None else list(clusters)
    error = clustered_standard_error(per_task.tolist(), names)
    return PassAtK(float(per_task.mean()), error, per_task)
