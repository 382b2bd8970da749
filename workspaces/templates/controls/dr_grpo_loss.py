"""Dr.GRPO's loss: PPO clip summed over tokens and divided by a constant (arXiv 2503.20783, sec. 3.2).

sum(L m) / (rows * length limit): long wrong answers are not diluted, as they are by a sequence's own
length. Goes with `dr_grpo_advantage`. Touches every token.
Pitfalls: the constant is the generation budget, never the batch's longest; the gradient is smaller than
a token mean's by mean length / limit, so the learning rate wants to be tuned anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from controls.batch import Batch, clipped_policy_loss, count, token_mean


@dataclass(frozen=True)
class DrGrpoLoss:
    """Published: low = high = 0.2."""

    low: float = 0.2
    high: float = 0.2
    kind: ClassVar[str] = "loss"

    def loss(self, batch: Batch, state: object) -> tuple[Tensor, dict[str, float], object]:
        if batch.max_tokens is None:
            raise ValueError("Dr.GRPO's loss needs the length limit of a response: batch.max_tokens is None")
        values, clipped = clipped_policy_loss(batch, self.low, self.high)
        total = values.masked_fill(~batch.mask, 0.0).sum() / (len(values) * batch.max_tokens)
        diagnostics = {
            "clip_fraction": float(token_mean(clipped, batch.mask)),
            "touched": count(batch.mask),
        }
        return total, diagnostics, state
