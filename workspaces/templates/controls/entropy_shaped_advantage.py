"""Entropy-shaped advantage: more weight to tokens of high entropy, same sign (arXiv 2506.14758).

A + min(alpha sg(H), abs(A) / kappa) with A the group advantage and H (nats) the entropy under the rollout
policy. Pitfalls: the entropy is detached, so this does not raise entropy by itself; a zero advantage
stays zero; abs(A) / kappa with kappa at 1 or less could turn the sign.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from controls.batch import Group, group_scaled


@dataclass(frozen=True)
class EntropyShapedAdvantage:
    """Published: alpha 0.4 (GRPO) or 0.1 (PPO), kappa 2."""

    alpha: float = 0.4
    kappa: float = 2.0
    epsilon: float = 1e-6
    kind: ClassVar[str] = "advantage"

    def advantages(self, group: Group) -> Tensor:
        """[prompts, samples, length]."""
        mean = group.rewards.mean(dim=1, keepdim=True)
        plain = group_scaled(group.rewards, mean, self.epsilon)[..., None]
        return self.shaped(plain.expand_as(group.entropies), group.entropies)

    def shaped(self, advantages: Tensor, entropies: Tensor) -> Tensor:
        """Any shape, the same for both."""
        return advantages + (self.alpha * entropies.detach()).minimum(advantages.abs() / self.kappa)
