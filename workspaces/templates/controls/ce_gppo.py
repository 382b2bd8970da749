"""CE-GPPO: give clipped tokens a chosen part of their gradient back (arXiv 2509.20712, eq. 7).

As GPPO, with the low side (A < 0, r < 1 - low) times `low_weight` (beta 1) and the high side (A > 0,
r > 1 + high) times `high_weight` (beta 2). Touches the tokens that clipping would have silenced.
Pitfalls: the weights scale the value too, so the loss is not PPO's; low_weight keeps unlikely bad
tokens falling and spends entropy, high_weight keeps unlikely good tokens growing and holds it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from controls.batch import Batch, count, gradient_preserving_loss, token_mean


@dataclass(frozen=True)
class CeGppo:
    """Published: low_weight 0.5 (1.5B) or 0.75 (7B), high_weight 1, low = high = 0.2, cap 10."""

    low_weight: float = 0.5
    high_weight: float = 1.0
    low: float = 0.2
    high: float = 0.2
    cap: float = 10.0
    kind: ClassVar[str] = "loss"
    inert_on_policy: ClassVar[bool] = True

    def loss(self, batch: Batch, state: object) -> tuple[Tensor, dict[str, float], object]:
        values, clipped = gradient_preserving_loss(
            batch, self.low, self.high, self.low_weight, self.high_weight, self.cap
        )
        diagnostics = {"clip_fraction": float(token_mean(clipped, batch.mask)), "touched": count(clipped)}
        return token_mean(values, batch.mask), diagnostics, state
