"""Anchored selective entropy: hold the entropy of the peaks at what it was (SIREN, arXiv 2509.25133).

coefficient * (H - anchor)^2. H: entropy of the top-p nucleus, mean over each sequence's tokens strictly
above its own `quantile` of it, then over sequences that have any; anchor: H at the first update. Touches
the tokens so selected.
Pitfalls: the nucleus is inclusive (mass up to and including a token <= top_p, and always the likeliest),
smaller than the usual one; a sequence of one token selects nothing; where one word does not hold top_p,
it ranks the likeliest of the vocabulary, and sorts all of it where these do not either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from controls.batch import Batch, count

# Words ranked at first: a trained policy's nucleus is smaller at nearly every token.
LIKELIEST = 16


@dataclass(frozen=True)
class AnchoredSelectiveEntropy:
    """Published: coefficient 0.005, top_p 0.8, quantile 0.8, anchor taken at the first update (nats)."""

    coefficient: float = 0.005
    top_p: float = 0.8
    quantile: float = 0.8
    anchor: float | None = None
    kind: ClassVar[str] = "term"
    moves_entropy: ClassVar[bool] = True

    def loss(self, batch: Batch, state: float | None) -> tuple[Tensor, dict[str, float], float | None]:
        """`state` is the anchor; None before the first update."""
        if batch.distribution is None:
            raise ValueError("anchored selective entropy needs the distribution: batch.distribution is None")
        entropies = self.nucleus_entropy(batch.distribution)
        selected = self.peaks(entropies.detach(), batch.mask)
        per_row = selected.sum(dim=1)
        means = entropies.masked_fill(~selected, 0.0).sum(dim=1) / per_row.clamp(min=1)
        rows = (per_row > 0).sum()
        entropy = means.sum() / rows.clamp(min=1)
        anchor = self.anchor if self.anchor is not None else state
        if anchor is None and int(rows):
            anchor = float(entropy.detach())
        away = entropy - anchor if anchor is not None and int(rows) else entropy * 0.0
        diagnostics = {"peak_entropy": float(entropy.detach()), "touched": count(selected)}
        return self.coefficient * away.square(), diagnostics, anchor

    def nucleus_entropy(self, distribution: Tensor) -> Tensor:
        """Entropy (nats) of the inclusive nucleus: [rows, length, vocabulary] -> [rows, length].

        A word that holds more than top_p is a nucleus of its own, whose entropy is 0 without gradient.
        """
        several = distribution.detach().amax(dim=-1).exp() <= self.top_p
        undecided = distribution[several]
        order, inside = self._ranked(undecided.detach())
        kept = torch.log_softmax(undecided.gather(-1, order).masked_fill(~inside, -torch.inf), dim=-1)
        entropies = distribution.new_zeros(several.shape)
        entropies[several] = -(kept.exp() * kept.masked_fill(~inside, 0.0)).sum(dim=-1)
        return entropies

    def _ranked(self, distribution: Tensor) -> tuple[Tensor, Tensor]:
        """The likeliest words in order, or all where few end within a nucleus, and which belong to it."""
        likeliest, order = distribution.topk(min(LIKELIEST, distribution.shape[-1]), dim=-1)
        inside = likeliest.exp().cumsum(dim=-1) <= self.top_p
        if bool(inside[..., -1].any()):
            likeliest, order = distribution.sort(dim=-1, descending=True)
            inside = likeliest.exp().cumsum(dim=-1) <= self.top_p
        return order, inside

    def peaks(self, entropies: Tensor, mask: Tensor) -> Tensor:
        """Tokens strictly above their own sequence's quantile (linearly interpolated)."""
        ragged = entropies.masked_fill(~mask, torch.nan)
        return (entropies > torch.nanquantile(ragged, self.quantile, dim=1, keepdim=True)) & mask
