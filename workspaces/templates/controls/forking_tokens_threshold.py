"""Forking tokens by a threshold, mean over all tokens: TRL's reading of arXiv 2506.01939.

PPO loss where the entropy is at least the (1 - fraction) quantile of the minibatch, linearly
interpolated; other tokens count as zero, so the gradient is about `fraction` times that of
`forking_tokens`. Touches the tokens that carry the loss. Pitfalls: ties are all kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from controls.batch import Batch, clipped_policy_loss, count, token_mean


@dataclass(frozen=True)
class ForkingTokensThreshold:
    """PPO clip on forking tokens. Published: fraction 0.2."""

    fraction: float = 0.2
    low: float = 0.2
    high: float = 0.2
    kind: ClassVar[str] = "loss"

    def loss(self, batch: Batch, state: object) -> tuple[Tensor, dict[str, float], object]:
        values, clipped = clipped_policy_loss(batch, self.low, self.high)
        entropies = batch.entropies.detach()
        held = entropies[batch.mask]
        forks = batch.mask
        if len(held):
            forks = (entropies >= torch.quantile(held, 1 - self.fraction)) & batch.mask
        diagnostics = {"clip_fraction": float(token_mean(clipped, batch.mask)), "touched": count(forks)}
        return token_mean(values.masked_fill(~forks, 0.0), batch.mask), diagnostics, state
