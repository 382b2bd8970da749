"""The law R = -a·exp(H) + b, which ties reward to policy entropy (Cui et al. 2025, arXiv 2505.22617).

Owns the fit; whether the law holds in a domain is for the reader of `r_squared` to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class LawFit:
    """Least-squares fit of reward on -exp(entropy).

    `ceiling` is the reward that the law foresees when all entropy is spent, b - a. `r_squared` is 1.0
    for a constant reward, which the law meets exactly with a = 0.
    """

    a: float
    b: float
    r_squared: float
    ceiling: float


def fit_entropy_law(
    entropy: Sequence[float] | NDArray[np.float64], reward: Sequence[float] | NDArray[np.float64]
) -> LawFit:
    """Fit the law to points of (entropy in nats a token, reward); it is linear in a and b.

    Raises:
        ValueError: fewer than 3 points, unequal lengths, a value that is not finite, or an entropy
            that does not vary, so that no unique fit exists.
    """
    with np.errstate(over="ignore"):
        spent = np.exp(np.asarray(entropy, dtype=np.float64))
        scale = float(np.square(spent).sum())
    rewards = np.asarray(reward, dtype=np.float64)
    if spent.ndim != 1 or spent.shape != rewards.shape:
        raise ValueError(f"entropy and reward must be equally long, got {spent.shape} and {rewards.shape}")
    if len(spent) < 3:
        raise ValueError(f"the entropy law needs at least 3 points, got {len(spent)}")
    if not (np.isfinite(scale) and np.isfinite(rewards).all()):
        raise ValueError("the entropy law needs finite entropies (below 350 nats) and rewards")
    centred = spent - spent.mean()
    spread = float(centred @ centred)
    if spread <= 1e-18 * scale:
        raise ValueError("the entropy law cannot be fitted: entropy is the same at every point")
    gained = rewards - rewards.mean()
    slope = float(centred @ gained) / spread
    b = float(rewards.mean() - slope * spent.mean())
    residual = gained - slope * centred
    total = float(gained @ gained)
    constant = total <= 1e-24 * float(rewards @ rewards)
    r_squared = 1.0 if constant else 1.0 - float(residual @ residual) / total
    return LawFit(a=-slope, b=b, r_squared=r_squared, ceiling=b + slope)
