"""GPPO: clip the value and keep the gradient (arXiv 2508.07629, eq. 8).

As clip-higher, but where it clips, the bound is multiplied by r / sg(r): the value stays, and the token
keeps the gradient -(1 - low) A or -(1 + high) A. For A < 0 the loss is capped at -cap A without gradient
(dual clip). Touches the tokens that clipping would have silenced.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from controls.batch import Batch, count, gradient_preserving_loss, token_mean


@dataclass(frozen=True)
class Gppo:
    """Published: low 0.2, high 0.28, cap 10."""

    low: float = 0.2
    high: float = 0.28
    cap: float = 10.0
    kind: ClassVar[str] = "loss"
    inert_on_policy: ClassVar[bool] = True

    def loss(self, batch: Batch, state: object) -> tuple[Tensor, dict[str, float], object]:
        values, clipped = gradient_preserving_loss(batch, self.low, self.high, 1.0, 1.0, self.cap)
        diagnostics = {"clip_fraction": float(token_mean(clipped, batch.mask)), "touched": count(clipped)}
        return token_mean(values, batch.mask), diagnostics, state
