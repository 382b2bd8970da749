"""Batch-scaled advantage: reward against the group's mean, by the batch's spread (arXiv 2508.08221).

(R - group mean) / (batch std + epsilon), std with n - 1 over all rewards of the rollout.
Pitfalls: a batch of almost equal rewards is scaled up as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from controls.batch import Group


@dataclass(frozen=True)
class BatchScaledAdvantage:
    """Published: epsilon 1e-4 (TRL)."""

    epsilon: float = 1e-4
    kind: ClassVar[str] = "advantage"

    def advantages(self, group: Group) -> Tensor:
        """[prompts, samples]."""
        centred = group.rewards - group.rewards.mean(dim=1, keepdim=True)
        return centred / (group.rewards.std() + self.epsilon)
