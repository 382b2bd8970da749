"""How well a policy predicts given tokens: bits, entropy and hits a token, by one pass over the text.

Owns the arithmetic. The distribution is normalised here, from the policy's logits, whatever its training did.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from evaluators.policy import Policy, PolicyFileError

UNIFORM_SHARE = 2.0**-16
"""Every prediction is mixed with so much of the uniform one: no token costs without bound."""

ROWS_AT_ONCE = 32


@dataclass(frozen=True)
class Prediction:
    """Means over each row of tokens: bits a token, entropy of the next-token distribution (nats), and the
    share of tokens that were held the likeliest; each [rows]."""

    bits: list[float]
    entropies: list[float]
    hits: list[float]


def most_bits(vocabulary: int) -> float:
    """The most that a token can cost."""
    return math.log2(vocabulary) - math.log2(UNIFORM_SHARE)


@torch.inference_mode()
def predict(policy: Policy, tokens: Tensor, temperature: float = 1.0) -> Prediction:
    """Predict every token of `tokens` [rows, length] but the first from those before it in its row.

    Raises:
        PolicyFileError: logits that are not finite.
    """
    bits, entropies, hits = [], [], []
    for rows in tokens.split(ROWS_AT_ONCE):
        logits = policy(rows[:, :-1]).double() / temperature
        if not torch.isfinite(logits).all():
            raise PolicyFileError("the policy's logits are not finite: it gives no probabilities")
        own = torch.log_softmax(logits, dim=-1)
        chances = (1 - UNIFORM_SHARE) * own.exp() + UNIFORM_SHARE / logits.shape[-1]
        targets = rows[:, 1:]
        bits.append(-chances.gather(2, targets[..., None])[..., 0].log2().mean(1))
        entropies.append(-(chances * chances.log()).sum(-1).mean(1))
        hits.append((logits.argmax(-1) == targets).double().mean(1))
    return Prediction(*(torch.cat(parts).tolist() for parts in (bits, entropies, hits)))
