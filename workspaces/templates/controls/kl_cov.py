"""KL-Cov: hold the tokens that spend most entropy near the rollout policy (arXiv 2505.22617, eq. 13).

-A r for every token, plus coefficient * abs(lp - lp0) on the `fraction` of tokens (at least one) with the
largest cov_t = (lp_t - mean lp)(A_t - mean A), means over the minibatch; these it touches.
Pitfalls: nothing is clipped; with lp = lp0 the penalty has neither value nor gradient; a fraction here
is a fraction, the official configuration says a percentage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from controls.batch import Batch, count, covariance, token_mean


@dataclass(frozen=True)
class KlCov:
    """Published: coefficient 1, fraction 2e-3 (7B) or 2e-4 (32B)."""

    fraction: float = 2e-3
    coefficient: float = 1.0
    kind: ClassVar[str] = "loss"
    small_scale: ClassVar[dict[str, float]] = {"fraction": 0.02}
    inert_on_policy: ClassVar[bool] = True

    def loss(self, batch: Batch, state: object) -> tuple[Tensor, dict[str, float], object]:
        tokens = int(batch.mask.sum())
        most = min(max(1, int(self.fraction * tokens)), tokens)
        ranked = covariance(batch).masked_fill(~batch.mask, -torch.inf).flatten()
        held = torch.zeros_like(ranked).index_fill(0, ranked.topk(most).indices, 1.0).view_as(batch.mask)
        away = batch.log_ratio
        values = -batch.advantages * away.exp() + self.coefficient * held * away.abs()
        moved = (held > 0) & (away.detach() != 0)
        return token_mean(values, batch.mask), {"clip_fraction": 0.0, "touched": count(moved)}, state
