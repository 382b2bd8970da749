"""What a control sees of a minibatch, and the mean that all of them share."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Per-token tensors of some sampled responses, each [rows, length].

    logprobs and entropies (nats, full vocabulary) carry gradient; old_logprobs are the rollout
    policy's, reference_logprobs the starting policy's (None unless a control needs them).
    """

    logprobs: Tensor
    old_logprobs: Tensor
    reference_logprobs: Tensor | None
    advantages: Tensor
    entropies: Tensor
    mask: Tensor

    @property
    def ratio(self) -> Tensor:
        """exp(logprobs - old_logprobs), 1 at masked tokens."""
        return ((self.logprobs - self.old_logprobs) * self.mask).exp()


def token_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over all tokens of the batch that the mask holds."""
    return values.masked_fill(~mask, 0.0).sum() / mask.sum().clamp(min=1)


def clipped_policy_loss(batch: Batch, low: float, high: float) -> tuple[Tensor, Tensor]:
    """max(-A r, -A clip(r, 1 - low, 1 + high)) a token, and where clipping changed it (1707.06347, eq. 7)."""
    ratio = batch.ratio
    plain = -batch.advantages * ratio
    bounded = -batch.advantages * ratio.clamp(1 - low, 1 + high)
    return plain.maximum(bounded), (bounded > plain) & batch.mask
