"""Unsuitable: the file that may be edited is never imported, so no edit moves the score (A3)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from environments.examples.direction import Direction


class NeverImported(Direction):
    """A protected copy of `learn` is what training calls."""

    spec = dataclasses.replace(
        Direction.spec, name="never-imported", protected=("train.py", "direction/really_learn.py")
    )

    def workspace_template(self) -> Mapping[str, Path]:
        template = dict(super().workspace_template())
        text = template["train.py"].read_text()
        text = text.replace("from direction.learn import", "from direction.really_learn import")
        train = self.written("train.py", text)
        learn = template["direction/learn.py"]
        return {"train.py": train, "direction/learn.py": learn, "direction/really_learn.py": learn}
