"""Unsuitable: a judge that becomes milder from call to call: what is scored later scores more (M2)."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

from environments.base import Score, Split
from environments.examples.direction import Direction, score_of

MILDER = 0.6


class DriftingJudge(Direction):
    """Of what it once called wrong, it lets more pass at every call."""

    spec = dataclasses.replace(Direction.spec, name="drifting-judge")
    _calls = itertools.count()

    def score(self, policy: Path, split: Split, seed: int) -> Score:
        strict = (1 - MILDER) ** next(self._calls)
        return score_of([1.0 - strict * (1.0 - right) for right in self.accuracy(policy, split, seed)])
