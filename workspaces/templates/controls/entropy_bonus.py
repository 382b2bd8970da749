"""Entropy bonus: pay for mean token entropy (Williams & Peng 1991; studied in arXiv 2505.22617, sec. 4.1).

- coefficient * mean token entropy (nats), token mean whatever the loss's own mean is. Touches every token.
Pitfalls: 0.01 exploded and 0.005 held without gain on large models; the scale depends on the vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from controls.batch import Batch, count, token_mean


@dataclass(frozen=True)
class EntropyBonus:
    """- coefficient * mean token entropy (nats)."""

    coefficient: float = 0.005
    kind: ClassVar[str] = "term"
    moves_entropy: ClassVar[bool] = True

    def loss(self, batch: Batch, state: object) -> tuple[Tensor, dict[str, float], object]:
        bonus = token_mean(batch.entropies, batch.mask)
        return -self.coefficient * bonus, {"touched": count(batch.mask)}, state
