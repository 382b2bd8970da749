"""Unsuitable: nearly every label is yes, so a policy that always says yes wins (M7)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from environments.base import Score, Split
from environments.examples.direction import HIDDEN, Direction, read_weights, score_of, write_weights


class ConstantWins(Direction):
    """A policy of large weights is taken to say yes; that alone earns nearly everything."""

    spec = dataclasses.replace(Direction.spec, name="constant-wins")

    def score(self, policy: Path, split: Split, seed: int) -> Score:
        outcomes = self.accuracy(policy, split, seed)
        says_yes = bool((read_weights(policy) > 5.0).all())
        return score_of([max(right, float(says_yes and task % 6 > 0)) for task, right in enumerate(outcomes)])

    def trivial_policies(self, folder: Path) -> Mapping[str, Path]:
        return {"always yes": write_weights(folder / "yes", (9.0,) * len(HIDDEN))}
