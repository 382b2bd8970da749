"""Group advantage: reward against the group's mean, by its spread (GRPO, arXiv 2402.03300, sec. 4.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor


@dataclass(frozen=True)
class GroupAdvantage:
    """(R - mean) / (std + epsilon) with the n-1 standard deviation; equal rewards give zero."""

    epsilon: float = 1e-6
    kind: ClassVar[str] = "advantage"

    def advantages(self, rewards: Tensor) -> Tensor:
        """[prompts, samples] rewards -> advantages of the same shape."""
        if rewards.shape[1] < 2:
            raise ValueError("a group advantage needs at least two samples a prompt")
        centred = rewards - rewards.mean(dim=1, keepdim=True)
        return centred / (rewards.std(dim=1, keepdim=True) + self.epsilon)
