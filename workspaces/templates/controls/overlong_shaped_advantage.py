"""Overlong shaping: take reward off answers that near the length limit (DAPO, arXiv 2503.14476, eq. 13).

R + min(-(length - (limit - cache)) / cache * factor, 0), then the group advantage.
Pitfalls: at the limit the penalty is -factor, as large as the reward of a right answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from controls.batch import Group, group_scaled


@dataclass(frozen=True)
class OverlongShapedAdvantage:
    """The penalty sets in `cache` tokens before the limit. Published: factor 1, cache a fifth of it."""

    cache: int = 3
    factor: float = 1.0
    epsilon: float = 1e-6
    kind: ClassVar[str] = "advantage"
    learns_from_equal_rewards: ClassVar[bool] = True

    def advantages(self, group: Group) -> Tensor:
        """[prompts, samples]."""
        shaped = group.rewards + self.penalty(group.mask.sum(dim=2), group.max_tokens)
        return group_scaled(shaped, shaped.mean(dim=1, keepdim=True), self.epsilon)

    def penalty(self, lengths: Tensor, limit: int) -> Tensor:
        """Of answers of so many tokens; 0 or less."""
        return (-(lengths - (limit - self.cache)) / self.cache * self.factor).clamp(max=0.0)
