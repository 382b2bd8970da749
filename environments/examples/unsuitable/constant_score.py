"""Unsuitable: every policy scores the same (M6)."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from environments.base import Score, Split
from environments.examples.direction import Direction, read_weights, score_of


class ConstantScore(Direction):
    """Two of three tasks are told rightly, by whoever is asked."""

    spec = dataclasses.replace(Direction.spec, name="constant-score")

    def score(self, policy: Path, split: Split, seed: int) -> Score:
        read_weights(policy)
        return score_of([float(task % 3 > 0) for task in range(600)])
