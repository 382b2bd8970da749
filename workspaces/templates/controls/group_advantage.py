"""Group advantage: reward against the group's mean, by its spread (GRPO, arXiv 2402.03300, sec. 4.1).

(R - mean) / (std + epsilon), std with n - 1; equal rewards give zero.
Pitfalls: dividing by the spread weighs easy and hard prompts up; epsilon is 1e-6 in verl, 1e-4 in TRL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from controls.batch import Group, group_scaled


@dataclass(frozen=True)
class GroupAdvantage:
    """Published: epsilon 1e-6 (verl) or 1e-4 (TRL)."""

    epsilon: float = 1e-6
    kind: ClassVar[str] = "advantage"

    def advantages(self, group: Group) -> Tensor:
        """[prompts, samples]."""
        return group_scaled(group.rewards, group.rewards.mean(dim=1, keepdim=True), self.epsilon)
