"""Last iterate: the policy that is scored is the one after the last update."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn


@dataclass(frozen=True)
class LastIterate:
    """No averaging."""

    kind: ClassVar[str] = "average"

    @torch.no_grad()
    def update(self, average: nn.Module, policy: nn.Module) -> None:
        """Called after every optimiser step; what `average` holds at the end is scored."""
        for kept, current in zip(average.parameters(), policy.parameters(), strict=True):
            kept.copy_(current)
