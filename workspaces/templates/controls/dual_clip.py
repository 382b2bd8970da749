"""Dual clip: bound the loss of unwanted tokens that grew far (arXiv 1912.09729, eq. 5).

PPO clip, and for A < 0 no more than -cap A: a token that is bad and whose ratio exceeds `cap` gets no
gradient. Touches the tokens so capped. Pitfalls: verl has it always on (cap 3), TRL never.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from controls.batch import Batch, clipped_policy_loss, count, token_mean


@dataclass(frozen=True)
class DualClip:
    """Published: cap 3 (a ratio, above 1), low = high = 0.2."""

    cap: float = 3.0
    low: float = 0.2
    high: float = 0.2
    kind: ClassVar[str] = "loss"
    inert_on_policy: ClassVar[bool] = True

    def loss(self, batch: Batch, state: object) -> tuple[Tensor, dict[str, float], object]:
        values, clipped = clipped_policy_loss(batch, self.low, self.high)
        ceiling = -self.cap * batch.advantages
        capped = (batch.advantages < 0) & (values > ceiling) & batch.mask
        diagnostics = {
            "clip_fraction": float(token_mean(clipped, batch.mask)),
            "dual_clip_fraction": float(token_mean(capped, batch.mask)),
            "touched": count(capped),
        }
        return token_mean(values.where(~capped, ceiling), batch.mask), diagnostics, state
