"""How different the items of a set are: Vendi score, its quality-gated form, distinct n-grams.

Owns the figures; which items are alike, and which are good enough to count, belongs to the environment.
Compare at equal numbers of items only, and gate: noise is the most diverse of all.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

_ROUNDING = 1e-6


def vendi_score(kernel: ArrayLike, order: float = 1.0) -> float:
    """The effective number of different items: 1 where all are the same, n where none are alike.

    exp of the Renyi entropy of `order` of the eigenvalues of kernel / n (arXiv 2210.02410, 2310.12952):
    order 1 is exp(-sum l ln l), infinity is 1 / max l.

    Args:
        kernel: [n, n] likeness of every two items, positive semidefinite, ones on the diagonal.
        order: from 0 up, infinity included; the higher, the less the rare items count.

    Raises:
        ValueError: the kernel is no such matrix, or the order is below 0.
    """
    if not order >= 0:
        raise ValueError(f"the order of a Vendi score is at least 0, got {order}")
    shares = _shares(kernel)
    if order == 1.0:
        return float(np.exp(-(shares * np.log(shares)).sum()))
    if math.isinf(order):
        return float(1.0 / shares.max())
    return float((shares**order).sum() ** (1.0 / (1.0 - order)))


def gated_diversity(kernel: ArrayLike, items: int, order: float = 1.0) -> float:
    """Vendi score of the items that passed the gate, as a share of all `items`: within 0..1.

    `kernel` [n, n] is that of those n alone; what did not pass contributes nothing (arXiv 2504.12522).

    Raises:
        ValueError: more passed than there are, there is no item, or as `vendi_score`.
    """
    passed = len(np.asarray(kernel))
    if items < 1 or passed > items:
        raise ValueError(f"{passed} of {items} items cannot have passed a gate")
    return vendi_score(kernel, order) / items if passed else 0.0


def distinct_n(items: Sequence[Sequence[Hashable]], n: int) -> float | None:
    """Different n-grams as a share of all, pooled over the items (arXiv 1510.03055); no n-gram spans two.

    None where there is no n-gram at all.

    Raises:
        ValueError: n is below 1.
    """
    if n < 1:
        raise ValueError(f"an n-gram has at least one token, got n = {n}")
    grams = [tuple(item[at : at + n]) for item in items for at in range(len(item) - n + 1)]
    return len(set(grams)) / len(grams) if grams else None


def _shares(kernel: ArrayLike) -> NDArray[np.float64]:
    """The eigenvalues of kernel / n above 0, which sum to 1."""
    matrix = np.asarray(kernel, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not len(matrix):
        raise ValueError(f"a kernel is a square matrix of at least one item, got shape {matrix.shape}")
    if not np.allclose(matrix, matrix.T, atol=_ROUNDING) or not np.allclose(
        matrix.diagonal(), 1.0, atol=_ROUNDING
    ):
        raise ValueError("a kernel is symmetric and has ones on its diagonal")
    values = np.linalg.eigvalsh(matrix / len(matrix))
    if values[0] < -_ROUNDING:
        raise ValueError(f"a kernel has no negative eigenvalue, this one has {values[0] * len(matrix):.3g}")
    values = values[values > len(matrix) * np.finfo(np.float64).eps]
    return np.asarray(values / values.sum(), dtype=np.float64)
