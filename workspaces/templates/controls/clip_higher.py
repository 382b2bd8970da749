"""Clip-higher: room for unlikely tokens to grow (DAPO, arXiv 2503.14476, eq. 10).

PPO clip whose upper bound is looser than its lower one. Touches the wanted tokens whose ratio lies
between 1 + low and 1 + high: a symmetrical clip would have stopped them.
Pitfalls: inert where the clip fraction is near zero; too high a bound can over-raise entropy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from controls.batch import Batch, clipped_policy_loss, count, token_mean


@dataclass(frozen=True)
class ClipHigher:
    """PPO clip with an upper bound apart from the lower one. Published: low 0.2, high 0.28."""

    low: float = 0.2
    high: float = 0.28
    kind: ClassVar[str] = "loss"
    inert_on_policy: ClassVar[bool] = True

    def loss(self, batch: Batch, state: object) -> tuple[Tensor, dict[str, float], object]:
        values, clipped = clipped_policy_loss(batch, self.low, self.high)
        spared = (batch.advantages > 0) & (batch.ratio.detach() > 1 + self.low) & ~clipped & batch.mask
        diagnostics = {"clip_fraction": float(token_mean(clipped, batch.mask)), "touched": count(spared)}
        return token_mean(values, batch.mask), diagnostics, state
