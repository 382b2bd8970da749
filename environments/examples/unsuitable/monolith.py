"""Unsuitable: what scores stands in the file that may be edited: an attempt can write its score (A1)."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Mapping
from pathlib import Path

from environments.base import Score, Split
from environments.examples.direction import Direction, points_of, read_weights, score_of

SCORER = '''

def is_right(weights, points, labels):
    """Which points are told rightly. The evaluator calls this very function."""
    return (points @ weights > 0) == labels
'''


class Monolith(Direction):
    """Learning and scoring in one file."""

    spec = dataclasses.replace(Direction.spec, name="monolith")

    def workspace_template(self) -> Mapping[str, Path]:
        template = dict(super().workspace_template())
        learn = template["direction/learn.py"].read_text()
        return {**template, "direction/learn.py": self.written("learn.py", learn + SCORER)}

    def score(self, policy: Path, split: Split, seed: int) -> Score:
        learn = self.workspace_template()["direction/learn.py"]
        found = importlib.util.spec_from_file_location("learn", learn)
        if found is None or found.loader is None:
            raise ImportError("learn.py is gone")
        module = importlib.util.module_from_spec(found)
        found.loader.exec_module(module)
        points, labels = points_of(split, seed)
        return score_of([float(right) for right in module.is_right(read_weights(policy), points, labels)])
