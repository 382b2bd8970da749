"""Pass@k advantage: reward a group for holding one right answer among k (arXiv 2508.10751, sec. 3.3).

With c right of n: rho = 1 - C(n-c,k)/C(n,k), s = sqrt(rho (1 - rho));
right: (1 - rho)/s; wrong: (1 - rho - C(n-c-1,k-1)/C(n-1,k-1))/s.
Pitfalls: rewards must be 0 or 1; the advantage is zero where every draw of k holds a right answer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from controls.batch import Group


@dataclass(frozen=True)
class PassAtKAdvantage:
    """Analytic advantage of pass@k. k = 1 is the group advantage with the population deviation."""

    k: int = 2
    epsilon: float = 1e-6
    kind: ClassVar[str] = "advantage"

    def advantages(self, group: Group) -> Tensor:
        """[prompts, samples]."""
        rewards = group.rewards
        right = rewards > 0.5
        table = [self._of_group(right.shape[1], count) for count in range(right.shape[1] + 1)]
        groups = torch.tensor(table, dtype=rewards.dtype, device=rewards.device)[right.sum(dim=1)]
        return torch.where(right, groups[:, :1], groups[:, 1:])

    def _of_group(self, samples: int, right: int) -> tuple[float, float]:
        wrong = samples - right
        if wrong < self.k:
            return 0.0, 0.0
        rho = 1 - math.comb(wrong, self.k) / math.comb(samples, self.k)
        spread = math.sqrt(rho * (1 - rho)) + self.epsilon
        others_wrong = math.comb(wrong - 1, self.k - 1) / math.comb(samples - 1, self.k - 1)
        return (1 - rho) / spread, (1 - rho - others_wrong) / spread
