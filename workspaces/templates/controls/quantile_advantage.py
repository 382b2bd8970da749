"""Quantile baseline: reward against a quantile of the group, not its mean (QAE, arXiv 2509.22611).

(R - quantile_K) / (std + epsilon), std with n - 1. With rewards of 0 or 1, prompts solved more often than
1 - K learn from failures only and others from successes only, which bounds the entropy from both sides.
Pitfalls: the official code interpolates the quantile linearly, so its baseline can be a fraction and
both classes learn; the paper's is right-continuous: the smallest reward x with share(rewards <= x) > K.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from controls.batch import Group, group_scaled


@dataclass(frozen=True)
class QuantileAdvantage:
    """Published: quantile 0.4; "linear" is the official code's, "right-continuous" the paper's."""

    quantile: float = 0.4
    epsilon: float = 1e-6
    form: Literal["linear", "right-continuous"] = "linear"
    kind: ClassVar[str] = "advantage"

    def advantages(self, group: Group) -> Tensor:
        """[prompts, samples]."""
        rewards = group.rewards
        if self.form == "linear":
            baseline = torch.quantile(rewards, self.quantile, dim=1, keepdim=True)
        else:
            samples = rewards.shape[1]
            place = min(int(self.quantile * samples + 1e-9), samples - 1)
            baseline = rewards.sort(dim=1).values[:, place : place + 1]
        return group_scaled(rewards, baseline, self.epsilon)
