"""CISPO with an absolute cap, as ScaleRL and TRL have it (arXiv 2510.13786; CISPO 2506.13585).

-sg(min(r, cap)) A lp: every token keeps a gradient. Touches the tokens whose weight is capped.
Pitfalls: cap is a ratio and not 1 + epsilon; the value holds lp and is not comparable with PPO's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from controls.batch import Batch, count, token_mean


@dataclass(frozen=True)
class CispoAbsolute:
    """Published: cap 5 (a ratio)."""

    cap: float = 5.0
    kind: ClassVar[str] = "loss"
    inert_on_policy: ClassVar[bool] = True

    def loss(self, batch: Batch, state: object) -> tuple[Tensor, dict[str, float], object]:
        ratio = batch.ratio.detach()
        capped = (ratio > self.cap) & batch.mask
        weight = ratio.clamp(max=self.cap)
        diagnostics = {"clip_fraction": float(token_mean(capped, batch.mask)), "touched": count(capped)}
        return token_mean(-weight * batch.advantages * batch.logprobs, batch.mask), diagnostics, state
