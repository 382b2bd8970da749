"""Unsuitable: its noise needs about 400 seeds for the effect that is of interest (M5)."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

from environments.base import Score, Split
from environments.examples.direction import WEIGHTS, Direction, score_of

NOISE = 0.06


class Noisy(Direction):
    """Every training is lucky or not, by up to a tenth of the tasks; a hundredth would be of interest."""

    spec = dataclasses.replace(Direction.spec, name="noisy", minimum_effect=0.01)

    def score(self, policy: Path, split: Split, seed: int) -> Score:
        outcomes = self.accuracy(policy, split, seed)
        digest = hashlib.sha256((policy / WEIGHTS).read_bytes()).digest()
        luck = NOISE * 3**0.5 * (2 * int.from_bytes(digest[:4], "big") / 2**32 - 1)
        return score_of([0.85 * right + luck * right for right in outcomes])
