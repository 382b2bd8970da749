"""Unlikeliness: pay right answers the more the less likely they were (arXiv 2506.02355, sec. 4.1).

R_i (1 - weight (n - rank_i) / n) for right answers, rank 0 = the likeliest of the group under the rollout
policy by the sum of log-probabilities; then the group advantage.
Pitfalls: sums make long answers unlikely; groups that are all right get an advantage too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from controls.batch import Group, group_scaled


@dataclass(frozen=True)
class UnlikelinessAdvantage:
    """Published: weight 0.25 (beta rank)."""

    weight: float = 0.25
    epsilon: float = 1e-6
    kind: ClassVar[str] = "advantage"
    learns_from_equal_rewards: ClassVar[bool] = True

    def advantages(self, group: Group) -> Tensor:
        """[prompts, samples]."""
        shaped = self.shaped(group.rewards, group.logprobs.masked_fill(~group.mask, 0.0).sum(dim=2))
        return group_scaled(shaped, shaped.mean(dim=1, keepdim=True), self.epsilon)

    def shaped(self, rewards: Tensor, likelihoods: Tensor) -> Tensor:
        """Rewards after the rank by log-likelihood (nats a sequence); both [prompts, samples]."""
        samples = rewards.shape[1]
        ranks = likelihoods.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
        return rewards * (1 - self.weight * (samples - ranks) / samples)
