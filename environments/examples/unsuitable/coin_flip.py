"""Unsuitable: the score is the fall of a coin, whatever was trained (M2; with a fixed seed it were M4)."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

from environments.base import Score, Split
from environments.examples.direction import Direction, read_weights, score_of


class CoinFlip(Direction):
    """Forty coins are thrown for every policy that can be read."""

    spec = dataclasses.replace(Direction.spec, name="coin-flip", metric_meaning="the share of coins up")

    def score(self, policy: Path, split: Split, seed: int) -> Score:
        read_weights(policy)
        return score_of([float(random.random() < 0.5) for _ in range(40)])
