"""PPO clip: the plain policy loss, no entropy control (arXiv 1707.06347, eq. 7; GRPO 2402.03300)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from controls.batch import Batch, clipped_policy_loss, token_mean


@dataclass(frozen=True)
class PpoClip:
    """max(-A r, -A clip(r, 1 - low, 1 + high)), token mean."""

    low: float = 0.2
    high: float = 0.2
    kind: ClassVar[str] = "loss"
    needs_reference: ClassVar[bool] = False

    def loss(self, batch: Batch, state: object) -> tuple[Tensor, dict[str, float], object]:
        values, clipped = clipped_policy_loss(batch, self.low, self.high)
        return (
            token_mean(values, batch.mask),
            {"clip_fraction": float(token_mean(clipped, batch.mask))},
            state,
        )
