"""Clip-higher: room for unlikely tokens to grow (DAPO, arXiv 2503.14476, eq. 10).

Pitfalls: inert where the clip fraction is near zero; too high a bound can over-raise entropy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from controls.batch import Batch, clipped_policy_loss, token_mean


@dataclass(frozen=True)
class ClipHigher:
    """PPO clip with an upper bound apart from the lower one. Published: low 0.2, high 0.28."""

    low: float = 0.2
    high: float = 0.28
    kind: ClassVar[str] = "loss"
    needs_reference: ClassVar[bool] = False

    def loss(self, batch: Batch, state: object) -> tuple[Tensor, dict[str, float], object]:
        values, clipped = clipped_policy_loss(batch, self.low, self.high)
        return (
            token_mean(values, batch.mask),
            {"clip_fraction": float(token_mean(clipped, batch.mask))},
            state,
        )
