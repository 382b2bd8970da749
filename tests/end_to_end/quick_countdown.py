"""Countdown in miniature, for tests of the loop: the same template, a few steps, a few tasks."""

from __future__ import annotations

import dataclasses
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from environments.base import FrontierPoint
from environments.countdown import environment as countdown

STEPS = 12


class QuickCountdown(countdown.Countdown):
    """Twelve steps at a high learning rate, so that training is told from not training."""

    spec = dataclasses.replace(
        countdown.Countdown.spec,
        name="quick-countdown",
        budget={"tokens": STEPS * 16 * 8 * 13, "updates": STEPS * 2},
        seconds_per_attempt=10.0,
        metric="pass_at_1",
        guards=(),
    )
    scored_tasks = 32
    scored_samples = 16
    seen_tasks = 8

    def frontier(self, winner: Mapping[str, str] | None = None) -> Sequence[FrontierPoint]:
        return super().frontier(winner)[:1]

    def workspace_template(self) -> Mapping[str, Path]:
        template = dict(super().workspace_template())
        recipe = re.sub(r"^STEPS = .*$", f"STEPS = {STEPS}", template["recipe.py"].read_text(), flags=re.M)
        recipe = re.sub(r"^LEARNING_RATE = .*$", "LEARNING_RATE = 6e-4", recipe, flags=re.M)
        path = Path(tempfile.mkdtemp()) / "recipe.py"
        path.write_text(recipe)
        return {**template, "recipe.py": path}
