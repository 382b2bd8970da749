"""KL to the starting policy (Schulman 2020; in GRPO's loss k3, arXiv 2402.03300, eq. 4).

With d = reference - current log-probability of the sampled token: k1 = -d, k2 = d^2 / 2,
k3 = exp(d) - d - 1; coefficient * token mean. Touches the tokens with d other than 0.
Pitfalls: costs one forward pass of the starting policy a minibatch; k1 as a loss has no useful
gradient (the score function, zero on average); on-policy k2 has the gradient of the reverse KL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from controls.batch import Batch, count, token_mean


@dataclass(frozen=True)
class KlToStart:
    """coefficient * mean estimate (nats). Published: coefficient 0 to 0.01, k3."""

    coefficient: float = 0.01
    estimator: Literal["k1", "k2", "k3"] = "k3"
    kind: ClassVar[str] = "term"
    small_scale: ClassVar[dict[str, float]] = {"coefficient": 0.05}
    needs_reference: ClassVar[bool] = True

    def loss(self, batch: Batch, state: object) -> tuple[Tensor, dict[str, float], object]:
        if batch.reference_logprobs is None:
            raise ValueError("KL to the starting policy needs reference log-probabilities")
        difference = (batch.reference_logprobs - batch.logprobs).masked_fill(~batch.mask, 0.0)
        estimates = {"k1": lambda d: -d, "k2": lambda d: d.square() / 2, "k3": lambda d: d.exp() - d - 1}
        divergence = token_mean(estimates[self.estimator](difference), batch.mask)
        diagnostics = {"kl": float(divergence.detach()), "touched": count(difference.detach() != 0)}
        return self.coefficient * divergence, diagnostics, state
