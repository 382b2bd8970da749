"""KL to the starting policy, k3 estimator (Schulman 2020; GRPO, arXiv 2402.03300, eq. 4).

k3 = exp(d) - d - 1 with d = reference - current log-probability of the sampled token.
Pitfalls: costs one forward pass of the starting policy a minibatch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from controls.batch import Batch, token_mean


@dataclass(frozen=True)
class KlToStart:
    """coefficient * mean k3 (nats)."""

    coefficient: float = 0.05
    kind: ClassVar[str] = "term"
    needs_reference: ClassVar[bool] = True

    def loss(self, batch: Batch, state: object) -> tuple[Tensor, dict[str, float], object]:
        if batch.reference_logprobs is None:
            raise ValueError("KL to the starting policy needs reference log-probabilities")
        difference = (batch.reference_logprobs - batch.logprobs) * batch.mask
        divergence = token_mean(difference.exp() - difference - 1, batch.mask)
        return self.coefficient * divergence, {"kl": float(divergence.detach())}, state
