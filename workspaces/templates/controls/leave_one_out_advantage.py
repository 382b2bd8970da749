"""Leave-one-out advantage: reward against the mean of the other samples (RLOO, arXiv 2402.14740, sec. 2.2).

(R - mean) n / (n - 1) = R - mean of the others. Pitfalls: as Dr.GRPO's, not divided by the spread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from controls.batch import Group


@dataclass(frozen=True)
class LeaveOneOutAdvantage:
    """No hyper-parameter."""

    kind: ClassVar[str] = "advantage"

    def advantages(self, group: Group) -> Tensor:
        """[prompts, samples]."""
        samples = group.rewards.shape[1]
        if samples < 2:
            raise ValueError("a leave-one-out advantage needs at least two samples a prompt")
        return (group.rewards - group.rewards.mean(dim=1, keepdim=True)) * samples / (samples - 1)
