"""Entropy bonus: pay for mean token entropy (Williams & Peng 1991; studied in arXiv 2505.22617, sec. 4.1).

Pitfalls: 0.01 exploded and 0.005 held without gain on large models; the scale depends on the vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from controls.batch import Batch, token_mean


@dataclass(frozen=True)
class EntropyBonus:
    """- coefficient * mean token entropy (nats)."""

    coefficient: float = 0.005
    kind: ClassVar[str] = "term"
    needs_reference: ClassVar[bool] = False

    def loss(self, batch: Batch, state: object) -> tuple[Tensor, dict[str, float], object]:
        return -self.coefficient * token_mean(batch.entropies, batch.mask), {}, state
