"""What controls see of a rollout and of a minibatch, and the arithmetic that losses share."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

LARGEST_LOG_RATIO = 20.0


@dataclass(frozen=True)
class Group:
    """A rollout as an advantage sees it; nothing of it carries gradient.

    rewards [prompts, samples]; logprobs and entropies (nats, under the rollout policy) and mask (True =
    response token) [prompts, samples, length]; max_tokens is the length limit of a response.
    """

    rewards: Tensor
    logprobs: Tensor
    entropies: Tensor
    mask: Tensor
    max_tokens: int


@dataclass(frozen=True)
class Batch:
    """Per-token tensors of some sampled responses, each [rows, length].

    logprobs and entropies (nats, full vocabulary) carry gradient; old_logprobs are the rollout
    policy's, reference_logprobs the starting policy's (None unless a control needs them). distribution
    [rows, length, vocabulary] holds all log-probabilities, with gradient; max_tokens is the length limit
    of a response.
    """

    logprobs: Tensor
    old_logprobs: Tensor
    reference_logprobs: Tensor | None
    advantages: Tensor
    entropies: Tensor
    mask: Tensor
    distribution: Tensor | None = None
    max_tokens: int | None = None

    @property
    def log_ratio(self) -> Tensor:
        """logprobs - old_logprobs, 0 at masked tokens and within +-20 (verl) so that exp() is finite."""
        difference = (self.logprobs - self.old_logprobs).masked_fill(~self.mask, 0.0)
        return difference.clamp(-LARGEST_LOG_RATIO, LARGEST_LOG_RATIO)

    @property
    def ratio(self) -> Tensor:
        """exp(log_ratio), 1 at masked tokens."""
        return self.log_ratio.exp()


def token_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over all tokens of the batch that the mask holds; 0 where it holds none."""
    return values.masked_fill(~mask, 0.0).sum() / mask.sum().clamp(min=1)


def mean_of_sequence_means(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over sequences of their token means; fully masked rows do not count, as in verl."""
    lengths = mask.sum(dim=1)
    means = values.masked_fill(~mask, 0.0).sum(dim=1) / lengths.clamp(min=1)
    return means.sum() / (lengths > 0).sum().clamp(min=1)


def clipped_policy_loss(batch: Batch, low: float, high: float) -> tuple[Tensor, Tensor]:
    """max(-A r, -A clip(r, 1 - low, 1 + high)) a token, and where clipping changed it (1707.06347, eq. 7)."""
    ratio = batch.ratio
    plain = -batch.advantages * ratio
    bounded = -batch.advantages * ratio.clamp(1 - low, 1 + high)
    return plain.maximum(bounded), (bounded > plain) & batch.mask


def gradient_preserving_loss(
    batch: Batch, low: float, high: float, low_weight: float, high_weight: float, cap: float
) -> tuple[Tensor, Tensor]:
    """PPO loss a token whose clipped bounds keep a gradient, and where (arXiv 2508.07629; 2509.20712).

    Where clipping would silence a token its ratio becomes weight * bound * r / sg(r). For A < 0 the loss
    is no more than -cap A.
    """
    ratio = batch.ratio
    fixed = ratio.detach()
    too_low = (batch.advantages < 0) & (fixed < 1 - low) & batch.mask
    too_high = (batch.advantages > 0) & (fixed > 1 + high) & batch.mask
    carried = ratio / fixed
    kept = ratio.where(~too_low, low_weight * (1 - low) * carried)
    kept = kept.where(~too_high, high_weight * (1 + high) * carried)
    values = -batch.advantages * kept
    capped = (batch.advantages < 0) & (fixed > cap)
    return values.where(~capped, -cap * batch.advantages), too_low | too_high


def covariance(batch: Batch) -> Tensor:
    """(lp - mean lp)(A - mean A) a token, detached, means over the minibatch (arXiv 2505.22617, eq. 11)."""
    logprobs = batch.logprobs.detach()
    spread = logprobs - token_mean(logprobs, batch.mask)
    return spread * (batch.advantages - token_mean(batch.advantages, batch.mask))


def count(mask: Tensor) -> float:
    """How many tokens a mask holds, as a diagnostic."""
    return float(mask.sum())


def group_scaled(rewards: Tensor, baseline: Tensor, epsilon: float) -> Tensor:
    """(R - baseline) / (std + epsilon), std over each group with n - 1; a group needs two samples."""
    if rewards.shape[1] < 2:
        raise ValueError("a group advantage needs at least two samples a prompt")
    return (rewards - baseline) / (rewards.std(dim=1, keepdim=True) + epsilon)
