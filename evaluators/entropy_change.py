"""What moves entropy in training: the covariance of log-probability and advantage (arXiv 2505.22617).

Owns the covariance and the first-order change that it foretells; measuring entropy belongs to
`evaluators.entropy`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class CovarianceProfile:
    """How the covariance of a minibatch is spread over its tokens.

    `mean` is the covariance of log-probability (nats) and advantage; `top_mean` that of the
    `top_tokens` largest contributions. A mean near zero beside a large top_mean says that few tokens
    spend the entropy (arXiv 2505.22617, table 1).
    """

    mean: float
    top_mean: float
    top_tokens: int
    tokens: int


def token_covariance(logprobs: Tensor, advantages: Tensor, mask: Tensor) -> Tensor:
    """cov_t = (lp_t - mean lp)(A_t - mean A), detached (arXiv 2505.22617, eq. 11).

    Means are over the tokens that `mask` holds, all rows together; masked tokens are 0. All [rows,
    length]; an advantage of shape [rows] or [rows, 1] is a sequence's.
    """
    held = mask.bool()
    lp = logprobs.detach().masked_fill(~held, 0.0)
    shaped = advantages.detach() if advantages.ndim == logprobs.ndim else advantages.detach()[:, None]
    advantage = shaped.expand_as(lp).masked_fill(~held, 0.0)
    tokens = held.sum().clamp(min=1)
    spread = (lp - lp.sum() / tokens) * (advantage - advantage.sum() / tokens)
    return spread.masked_fill(~held, 0.0)


def covariance_profile(
    logprobs: Tensor, advantages: Tensor, mask: Tensor, *, top_fraction: float = 2e-4
) -> CovarianceProfile:
    """Mean covariance of a minibatch and that of its most covariant `top_fraction` (at least one token).

    Raises:
        ValueError: the mask holds no token, or the fraction is not within (0, 1].
    """
    tokens = int(mask.sum())
    if not tokens or not 0 < top_fraction <= 1:
        raise ValueError(f"need tokens and a fraction within (0, 1], got {tokens} and {top_fraction}")
    covariance = token_covariance(logprobs, advantages, mask)[mask.bool()]
    top = max(1, int(top_fraction * tokens))
    return CovarianceProfile(float(covariance.mean()), float(covariance.topk(top).values.mean()), top, tokens)


def predicted_entropy_change(logits: Tensor, logit_change: Tensor) -> Tensor:
    """First-order change of entropy (nats) when logits move by `logit_change`: -Cov_pi(log pi, dz).

    For a tabular softmax (arXiv 2505.22617, theorems 1 and 2) policy gradient moves logits by
    eta * pi * A, natural policy gradient by eta * A; this is right for any small move. Both
    [..., vocabulary] -> [...]. Where probability is concentrated on few tokens a logit may be -inf.
    """
    logprobs = torch.log_softmax(logits, dim=-1)
    probabilities = logprobs.exp()
    finite = logprobs.clamp(min=torch.finfo(logprobs.dtype).min / 4)
    entropy = -(probabilities * finite).sum(dim=-1, keepdim=True)
    moved = logit_change - (probabilities * logit_change).sum(dim=-1, keepdim=True)
    return -(probabilities * (finite + entropy) * moved).sum(dim=-1)
