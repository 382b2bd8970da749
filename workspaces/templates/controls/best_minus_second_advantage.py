"""Best minus second: only a group's best sample is rewarded, by its lead (arXiv 2503.19595, eq. 12).

(R1 - R2) / (std + epsilon) for the best sample, 0 for all others: the leave-one-out gradient of the
maximum of the group, of which pass@n is the binary case. Pitfalls: zero on ties, so two right answers
teach nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from controls.batch import Group


@dataclass(frozen=True)
class BestMinusSecondAdvantage:
    """epsilon 1e-6 (verl)."""

    epsilon: float = 1e-6
    kind: ClassVar[str] = "advantage"

    def advantages(self, group: Group) -> Tensor:
        """[prompts, samples]."""
        if group.rewards.shape[1] < 2:
            raise ValueError("best minus second needs at least two samples a prompt")
        best, at = group.rewards.topk(2, dim=1)
        lead = (best[:, :1] - best[:, 1:]) / (group.rewards.std(dim=1, keepdim=True) + self.epsilon)
        return torch.zeros_like(group.rewards).scatter(1, at[:, :1], lead)
