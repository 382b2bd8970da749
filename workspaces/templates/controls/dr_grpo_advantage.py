"""Dr.GRPO's advantage: reward against the group's mean, not divided by its spread (arXiv 2503.20783).

R - mean. Goes with `dr_grpo_loss`. Pitfalls: smaller than the group advantage by the spread, so the
learning rate and thresholds on the covariance (Clip-Cov) want to be tuned anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from controls.batch import Group


@dataclass(frozen=True)
class DrGrpoAdvantage:
    """No hyper-parameter."""

    kind: ClassVar[str] = "advantage"

    def advantages(self, group: Group) -> Tensor:
        """[prompts, samples]."""
        return group.rewards - group.rewards.mean(dim=1, keepdim=True)
