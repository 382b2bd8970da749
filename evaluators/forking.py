"""Forking tokens: the few tokens of high entropy where a completion could go another way (arXiv 2506.01939).

Owns which tokens they are and their share of entropy and gradient; learning from them alone is a
control of the templates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class ForkingShare:
    """What the forking tokens of a batch carry.

    `threshold` is their least entropy (nats); `of_entropy` and `of_gradient` are shares of the batch's
    sums, `of_gradient` None where no gradient was given.
    """

    tokens: int
    of_tokens: float
    of_entropy: float
    of_gradient: float | None
    threshold: float


@dataclass(frozen=True)
class TokenEntropy:
    """One word of the vocabulary: how often it was sampled, the mean entropy (nats) where it was, and
    in what share of these places it was a forking token."""

    token: int
    count: int
    mean_entropy: float
    forking_share: float


def forking_mask(entropies: Tensor, mask: Tensor, fraction: float = 0.2) -> Tensor:
    """True on the ceil(fraction * tokens) tokens of highest entropy among those that `mask` holds.

    The scope is the batch that is given, ties are broken by position and not kept (arXiv 2506.01939,
    eq. 6, and its official code). [rows, length] in and out; nothing is differentiated.

    Raises:
        ValueError: the fraction is not within (0, 1].
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"the share of forking tokens must lie within (0, 1], got {fraction}")
    held = mask.bool()
    ranked = entropies.detach().masked_fill(~held, -1.0).flatten()
    chosen = torch.zeros_like(ranked, dtype=torch.bool)
    chosen[ranked.topk(math.ceil(fraction * int(held.sum()))).indices] = True
    return chosen.view_as(held) & held


def forking_share(
    entropies: Tensor, mask: Tensor, fraction: float = 0.2, gradient_norms: Tensor | None = None
) -> ForkingShare:
    """Share of entropy, and of gradient where `gradient_norms` [rows, length] is given.

    A useful norm is that of dloss/dlogits of each token: |A_t| * r_t * ||onehot - p_t||.

    Raises:
        ValueError: the mask holds no token, or the fraction is not within (0, 1].
    """
    held = mask.bool()
    tokens = int(held.sum())
    if not tokens:
        raise ValueError("forking tokens need at least one token")
    chosen = forking_mask(entropies, mask, fraction)
    return ForkingShare(
        int(chosen.sum()),
        int(chosen.sum()) / tokens,
        _share(entropies.detach(), chosen, held),
        None if gradient_norms is None else _share(gradient_norms.detach(), chosen, held),
        float(entropies.detach()[chosen].min()),
    )


def token_entropies(
    tokens: Tensor, entropies: Tensor, mask: Tensor, fraction: float = 0.2, least_count: int = 1
) -> Sequence[TokenEntropy]:
    """Each sampled word with the mean entropy of the places where it was sampled, highest first.

    `tokens` [rows, length] are ids; words sampled less often than `least_count` are left out.
    """
    held = mask.bool()
    words, place = tokens[held].unique(return_inverse=True)
    counts = torch.bincount(place, minlength=len(words))
    sums = torch.bincount(place, weights=entropies.detach()[held].double(), minlength=len(words))
    forks = torch.bincount(
        place, weights=forking_mask(entropies, mask, fraction)[held].double(), minlength=len(words)
    )
    found = [
        TokenEntropy(word, count, total / count, forking / count)
        for word, count, total, forking in zip(
            words.tolist(), counts.tolist(), sums.tolist(), forks.tolist(), strict=True
        )
        if count >= least_count
    ]
    return sorted(found, key=lambda word: -word.mean_entropy)


def _share(values: Tensor, chosen: Tensor, held: Tensor) -> float:
    total = float(values[held].double().sum())
    return float(values[chosen].double().sum()) / total if total else 0.0
