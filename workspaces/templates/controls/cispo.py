"""CISPO: clip the weight and not the gradient (MiniMax-M1, arXiv 2506.13585, eq. 4).

-sg(w) A lp with w = clip(r, 1 - low, 1 + high): every token keeps a gradient. Touches the tokens whose
weight is clipped. Pitfalls: the value holds lp and is not comparable with PPO's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from controls.batch import Batch, count, token_mean


@dataclass(frozen=True)
class Cispo:
    """Published: no lower bound (low = 1), high to be tuned."""

    low: float = 1.0
    high: float = 0.28
    kind: ClassVar[str] = "loss"
    inert_on_policy: ClassVar[bool] = True

    def loss(self, batch: Batch, state: object) -> tuple[Tensor, dict[str, float], object]:
        ratio = batch.ratio.detach()
        weight = ratio.clamp(1 - self.low, 1 + self.high)
        capped = (weight != ratio) & batch.mask
        diagnostics = {"clip_fraction": float(token_mean(capped, batch.mask)), "touched": count(capped)}
        return token_mean(-weight * batch.advantages * batch.logprobs, batch.mask), diagnostics, state
