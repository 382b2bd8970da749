"""Forking tokens: learn from the most uncertain tokens alone (arXiv 2506.01939, eq. 5).

The `fraction` of the minibatch's tokens with the highest entropy carries the PPO loss, mean over these;
with `lowest` the other end of the ranking does, which is the paper's counter-proof. Touches the tokens
that carry the loss. Pitfalls: the scope is the minibatch; entropies choose and are never differentiated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from controls.batch import Batch, clipped_policy_loss, count, token_mean


@dataclass(frozen=True)
class ForkingTokens:
    """PPO clip on forking tokens. Published: fraction 0.2."""

    fraction: float = 0.2
    low: float = 0.2
    high: float = 0.2
    lowest: bool = False
    kind: ClassVar[str] = "loss"

    def loss(self, batch: Batch, state: object) -> tuple[Tensor, dict[str, float], object]:
        values, clipped = clipped_policy_loss(batch, self.low, self.high)
        most = math.ceil(self.fraction * int(batch.mask.sum()))
        entropies = batch.entropies.detach() * (-1.0 if self.lowest else 1.0)
        ranked = entropies.masked_fill(~batch.mask, -torch.inf).flatten()
        forks = torch.zeros_like(ranked, dtype=torch.bool)
        forks[ranked.topk(most).indices] = True
        forks = forks.view_as(batch.mask) & batch.mask
        diagnostics = {"clip_fraction": float(token_mean(clipped, batch.mask)), "touched": count(forks)}
        return token_mean(values, forks), diagnostics, state
