"""Unsuitable: the score is read from a file that the attempt writes (A1)."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

from environments.base import Score, Split
from environments.examples.direction import Direction, score_of

REPORT = """
    points, labels = draw(500)
    accuracy = float(((points @ weights > 0) == (labels > 0)).mean())
    (out / "score.json").write_text(json.dumps({"accuracy": accuracy}))
"""


class ReportsItself(Direction):
    """What training says of itself is taken for the score."""

    spec = dataclasses.replace(Direction.spec, name="reports-itself")

    def workspace_template(self) -> Mapping[str, Path]:
        template = dict(super().workspace_template())
        head, mark, tail = template["train.py"].read_text().partition('    (ROOT / "out" / "trace.jsonl")')
        return {**template, "train.py": self.written("train.py", head + REPORT + mark + tail)}

    def score(self, policy: Path, split: Split, seed: int) -> Score:
        report = policy / "score.json"
        if not report.exists():
            return super().score(policy, split, seed)
        told = json.loads(report.read_text())["accuracy"]
        return score_of([told, told])
