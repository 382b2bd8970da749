"""PPO clip: the plain policy loss, no entropy control (arXiv 1707.06347, eq. 7; GRPO 2402.03300).

max(-A r, -A clip(r, 1 - low, 1 + high)), token mean, r = exp(lp - lp0).
Touches the tokens whose loss clipping changes. Pitfalls: with one update a rollout r is 1 and nothing
is ever clipped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from controls.batch import Batch, clipped_policy_loss, count, token_mean


@dataclass(frozen=True)
class PpoClip:
    """Published: low = high = 0.2, as shares of the ratio."""

    low: float = 0.2
    high: float = 0.2
    kind: ClassVar[str] = "loss"

    def loss(self, batch: Batch, state: object) -> tuple[Tensor, dict[str, float], object]:
        values, clipped = clipped_policy_loss(batch, self.low, self.high)
        diagnostics = {"clip_fraction": float(token_mean(clipped, batch.mask)), "touched": count(clipped)}
        return token_mean(values, batch.mask), diagnostics, state
