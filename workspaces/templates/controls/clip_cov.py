"""Clip-Cov: take the gradient off a few tokens whose covariance spends entropy (arXiv 2505.22617, eq. 11-12).

cov_t = (lp_t - mean lp)(A_t - mean A), means over the minibatch. A random `fraction` of all tokens,
drawn among those with lower < cov < upper that clipping left alone, gets weight zero; these it touches.
Pitfalls: at the published fraction a small minibatch loses one token; the bounds assume
std-normalised advantages; zeroed tokens stay in the mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from controls.batch import Batch, clipped_policy_loss, covariance, token_mean


@dataclass(frozen=True)
class ClipCov:
    """Published: fraction 2e-4 (a fraction, not a percentage), 1 < cov < 5, clip bounds 1."""

    fraction: float = 2e-4
    lower: float = 1.0
    upper: float = 5.0
    low: float = 1.0
    high: float = 1.0
    kind: ClassVar[str] = "loss"
    small_scale: ClassVar[dict[str, float]] = {"fraction": 0.02}

    def loss(self, batch: Batch, state: object) -> tuple[Tensor, dict[str, float], object]:
        values, clipped = clipped_policy_loss(batch, self.low, self.high)
        spent = covariance(batch)
        candidates = (spent > self.lower) & (spent < self.upper) & batch.mask & ~clipped
        rows = candidates.flatten().nonzero()[:, 0]
        most = max(int(self.fraction * int(batch.mask.sum())), 1)
        chosen = rows[torch.randperm(len(rows), device=rows.device)[:most]]
        weight = torch.ones_like(values).flatten().index_fill(0, chosen, 0.0).view_as(values)
        diagnostics = {
            "clip_fraction": float(token_mean(clipped, batch.mask)),
            "touched": float(len(chosen)),
        }
        return token_mean(values * weight, batch.mask), diagnostics, state
