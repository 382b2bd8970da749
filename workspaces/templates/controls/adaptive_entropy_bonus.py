"""Adaptive entropy bonus: pay for entropy while it is below a target (Skywork-OR1, arXiv 2505.22312).

- c * mean token entropy (nats). After every update c moves by `step`, up when the measured entropy is
below `target`, else down, within [least, most]; it is applied only while the entropy was below the target.
Touches every token while it is applied.
Pitfalls: conventions differ. "skywork" measures -mean(lp0) of the sampled tokens, lowers c at equality
and applies the initial c at first; "trl" measures the full entropy, raises c at equality and applies 0
at first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from controls.batch import Batch, count, token_mean


@dataclass(frozen=True)
class AdaptiveEntropyBonus:
    """Published: target 0.2 nats, step 1e-4 to 5e-3, initial 0, most 5e-3."""

    target: float = 0.2
    step: float = 1e-3
    initial: float = 0.0
    least: float = 0.0
    most: float = 5e-3
    convention: Literal["skywork", "trl"] = "skywork"
    kind: ClassVar[str] = "term"
    small_scale: ClassVar[dict[str, float]] = {"target": 0.3}
    moves_entropy: ClassVar[bool] = True

    def loss(
        self, batch: Batch, state: tuple[float, bool] | None
    ) -> tuple[Tensor, dict[str, float], tuple[float, bool]]:
        """`state` is (coefficient, whether it is applied); None before the first update."""
        coefficient, applied = state or (self.initial, self.convention == "skywork")
        used = coefficient if applied else 0.0
        entropy = token_mean(batch.entropies, batch.mask)
        sampled = self.convention == "skywork"
        measured = float(token_mean(-batch.old_logprobs, batch.mask) if sampled else entropy.detach())
        touched = count(batch.mask) if used else 0.0
        diagnostics = {"bonus_coefficient": used, "touched": touched}
        return -used * entropy, diagnostics, self.adapted(coefficient, measured)

    def adapted(self, coefficient: float, measured: float) -> tuple[float, bool]:
        """The coefficient after an update that measured this entropy (nats), and whether it is applied."""
        below = measured < self.target if self.convention == "skywork" else measured <= self.target
        moved = coefficient + (self.step if below else -self.step)
        return min(max(moved, self.least), self.most), below
