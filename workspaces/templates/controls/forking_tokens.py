"""Forking tokens: learn from the most uncertain tokens alone (arXiv 2506.01939, eq. 5).

The `fraction` of the minibatch's tokens with the highest entropy carries the loss, mean over these.
Pitfalls: the scope is the minibatch; entropies choose and are never differentiated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from controls.batch import Batch, clipped_policy_loss, token_mean


@dataclass(frozen=True)
class ForkingTokens:
    """PPO clip on forking tokens. Published: fraction 0.2."""

    fraction: float = 0.2
    low: float = 0.2
    high: float = 0.2
    kind: ClassVar[str] = "loss"
    needs_reference: ClassVar[bool] = False

    def loss(self, batch: Batch, state: object) -> tuple[Tensor, dict[str, float], object]:
        values, clipped = clipped_policy_loss(batch, self.low, self.high)
        count = math.ceil(self.fraction * int(batch.mask.sum()))
        ranked = batch.entropies.detach().masked_fill(~batch.mask, -1.0).flatten()
        forks = torch.zeros_like(ranked, dtype=torch.bool)
        forks[ranked.topk(count).indices] = True
        forks = forks.view_as(batch.mask) & batch.mask
        return (
            token_mean(values, forks),
            {"clip_fraction": float(token_mean(clipped, batch.mask)), "touched": float(forks.sum())},
            state,
        )
