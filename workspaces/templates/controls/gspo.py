"""GSPO: one importance ratio a sequence (arXiv 2507.18071, eq. 5-7; in the token form, eq. 13-14).

s = exp(mean_t (lp - lp0)); PPO clip on sg(s) * exp(lp - sg(lp)), mean of the sequences' token means.
Touches the tokens of sequences that are clipped.
Pitfalls: PPO's usual bounds never clip here; the token form needs the stop-gradient to have the
sequence form's gradient.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from controls.batch import Batch, count, mean_of_sequence_means, token_mean

LARGEST_LOG_RATIO = 10.0


@dataclass(frozen=True)
class Gspo:
    """Published: low 3e-4, high 4e-4."""

    low: float = 3e-4
    high: float = 4e-4
    kind: ClassVar[str] = "loss"
    small_scale: ClassVar[dict[str, float]] = {"low": 0.03, "high": 0.04}
    inert_on_policy: ClassVar[bool] = True

    def loss(self, batch: Batch, state: object) -> tuple[Tensor, dict[str, float], object]:
        lengths = batch.mask.sum(dim=1, keepdim=True).clamp(min=1)
        sequence = batch.log_ratio.detach().sum(dim=1, keepdim=True) / lengths
        carried = (batch.logprobs - batch.logprobs.detach()).masked_fill(~batch.mask, 0.0)
        ratio = (sequence + carried).clamp(max=LARGEST_LOG_RATIO).exp()
        plain = -batch.advantages * ratio
        bounded = -batch.advantages * ratio.clamp(1 - self.low, 1 + self.high)
        clipped = (bounded > plain) & batch.mask
        loss = mean_of_sequence_means(plain.maximum(bounded), batch.mask)
        diagnostics = {"clip_fraction": float(token_mean(clipped, batch.mask)), "touched": count(clipped)}
        return loss, diagnostics, state
