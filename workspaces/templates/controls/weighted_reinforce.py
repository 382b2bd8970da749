"""W-REINFORCE: punish wrong answers in full, reward right ones little (arXiv 2506.01347, eq. 7).

right: + positive_weight; wrong: -1. No baseline: groups of equal rewards teach too. positive_weight 0 is
negative-only reinforcement, which takes from wrong answers and leaves what else there is its
proportions; it keeps entropy.
Pitfalls: rewards must be 0 or 1; where most answers are wrong the update is large and undirected.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from controls.batch import Group


@dataclass(frozen=True)
class WeightedReinforce:
    """Published: positive_weight 0.1."""

    positive_weight: float = 0.1
    kind: ClassVar[str] = "advantage"
    learns_from_equal_rewards: ClassVar[bool] = True

    def advantages(self, group: Group) -> Tensor:
        """[prompts, samples]."""
        return torch.where(group.rewards > 0.5, self.positive_weight, -1.0).to(group.rewards.dtype)
