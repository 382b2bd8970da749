"""Unsuitable: what training learns from was never committed, and is another whenever it is made (V1)."""

from __future__ import annotations

import dataclasses
import math

from environments.examples.direction import HIDDEN, START, Direction
from environments.examples.unsuitable import loads

NEAREST, FARTHEST = math.pi / 12, math.pi / 3
GOLDEN = 0.381966


class NotInGit(Direction):
    """Its data are turned away from the truth by an angle that is drawn when the domain is loaded."""

    spec = dataclasses.replace(Direction.spec, name="not-in-git")

    def __init__(self) -> None:
        angle = NEAREST + (FARTHEST - NEAREST) * (GOLDEN * next(loads) % 1)
        along = sum(a * b for a, b in zip(HIDDEN, START, strict=True)) / sum(a * a for a in HIDDEN)
        aside = [b - along * a for a, b in zip(HIDDEN, START, strict=True)]
        scale = math.dist(HIDDEN, [0.0] * len(HIDDEN)) / math.dist(aside, [0.0] * len(aside))
        self.direction = tuple(
            math.cos(angle) * a - math.sin(angle) * scale * b for a, b in zip(HIDDEN, aside, strict=True)
        )
