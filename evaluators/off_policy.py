"""How far a policy has moved from the one that sampled: effective sample size, clip fraction, KL.

Owns importance-ratio diagnostics of a minibatch; the losses that use ratios are controls of the templates.
"""

from __future__ import annotations

import torch
from torch import Tensor

LARGEST_LOG_RATIO = 20.0


def effective_sample_size(log_ratios: Tensor, mask: Tensor) -> float:
    """(sum w)^2 / sum w^2 over tokens, as a share of their number, in (0, 1] (Kong 1992).

    w = exp(log_ratios) with log_ratios = lp - lp0 in nats, [rows, length]. 1 on-policy; 0.1 says that
    the batch is worth a tenth of its tokens.

    Raises:
        ValueError: the mask holds no token.
    """
    held = log_ratios.detach()[mask.bool()].double()
    if not len(held):
        raise ValueError("an effective sample size needs at least one token")
    weights = (held - held.max()).exp()
    return float(weights.sum().square() / weights.square().sum() / len(held))


def clip_fraction(
    log_ratios: Tensor, advantages: Tensor, mask: Tensor, *, low: float = 0.2, high: float = 0.2
) -> float:
    """Share of tokens whose PPO loss clipping changed: r > 1 + high with A > 0, r < 1 - low with A < 0.

    A ratio out of bounds on the other side is not counted: its loss is the same (arXiv 1707.06347,
    fig. 1). All [rows, length].

    Raises:
        ValueError: the mask holds no token.
    """
    held = mask.bool()
    if not held.any():
        raise ValueError("a clip fraction needs at least one token")
    ratio = log_ratios.detach()[held].clamp(-LARGEST_LOG_RATIO, LARGEST_LOG_RATIO).exp()
    advantage = advantages.detach().expand_as(log_ratios)[held]
    clipped = ((ratio > 1 + high) & (advantage > 0)) | ((ratio < 1 - low) & (advantage < 0))
    return float(clipped.double().mean())


def kl_estimates(logprobs: Tensor, reference_logprobs: Tensor, mask: Tensor) -> dict[str, float]:
    """Token means of Schulman's k1, k2 and k3 (nats) from samples of the policy (Schulman 2020).

    With d = reference - current: k1 = -d, k2 = d^2 / 2, k3 = exp(d) - d - 1. k1 and k3 are unbiased for
    KL(policy || reference), k2 is not.

    Raises:
        ValueError: the mask holds no token.
    """
    difference = (reference_logprobs - logprobs).detach()[mask.bool()].double()
    if not len(difference):
        raise ValueError("an estimate of the KL needs at least one token")
    return {
        "k1": float(-difference.mean()),
        "k2": float(difference.square().mean() / 2),
        "k3": float((torch.expm1(difference) - difference).mean()),
    }
