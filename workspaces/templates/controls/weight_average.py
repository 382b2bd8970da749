"""Weight averaging: score the exponential moving average of the weights (Polyak & Juditsky 1992).

For policies under a reward against a loss of entropy: WARP (arXiv 2406.16768, sec. 3.1).
Pitfalls: the average lags by about 1 / (1 - decay) updates, so a short run must not average over most
of itself; it takes away the noise of the last updates, which a lower learning rate does too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn


@dataclass(frozen=True)
class WeightAverage:
    """average = decay * average + (1 - decay) * policy after every update."""

    decay: float = 0.98
    kind: ClassVar[str] = "average"

    @torch.no_grad()
    def update(self, average: nn.Module, policy: nn.Module) -> None:
        """Called after every optimiser step; what `average` holds at the end is scored."""
        for kept, current in zip(average.parameters(), policy.parameters(), strict=True):
            kept.lerp_(current, 1 - self.decay)
