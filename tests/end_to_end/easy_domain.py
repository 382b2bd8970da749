"""A domain that a few steps learn: for tests in which what goes wrong matters, and not what is learned."""

from __future__ import annotations

import dataclasses
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from environments.base import FrontierPoint, Task
from environments.countdown import environment as countdown

STEPS = 8


class EasyDomain(countdown.Countdown):
    """Write many products, right or wrong: the starting policy seldom does."""

    spec = dataclasses.replace(
        countdown.Countdown.spec,
        name="easy-domain",
        description="Write derivations with two products",
        guards=(),
        budget={"tokens": STEPS * 16 * 8 * 13, "updates": STEPS * 4},
        seconds_per_attempt=5.0,
    )
    scored_tasks = 32
    scored_samples = 16
    seen_tasks = 8

    def reward(self, task: Task, completion: str) -> float:
        return float(completion.count("*") >= 2)

    def frontier(self, winner: Mapping[str, str] | None = None) -> Sequence[FrontierPoint]:
        return ()

    def workspace_template(self) -> Mapping[str, Path]:
        template = dict(super().workspace_template())
        recipe = template["recipe.py"].read_text()
        for name, value in (("STEPS", STEPS), ("LEARNING_RATE", "1e-3")):
            recipe = re.sub(rf"^{name} = .*$", f"{name} = {value}", recipe, flags=re.M)
        path = Path(tempfile.mkdtemp()) / "recipe.py"
        path.write_text(recipe)
        return {**template, "recipe.py": path}
