"""What learning rate and length alone can reach: a template's file at other values of the two.

Owns which points are drawn; a control helps only where it lies above them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from environments.base import FrontierPoint
from environments.language_defaults import with_constants

RATE_LINE = r"^LEARNING_RATE = (\S+)"
STEPS_LINE = r"^STEPS = (\S+)"


def frontier_of(file: str, text: str, winner: str) -> Sequence[FrontierPoint]:
    """The file at learning rates around its own, at half its length, and at the winner's of both.

    `text` is the template's, `winner` that of a winner or nothing; empty where it names no rate or length.
    """
    own = _rate_and_steps(text)
    if own is None:
        return ()
    rate, steps = own
    points = {
        (_digits(rate * 0.5), steps): "learning rate x 0.5",
        (_digits(rate * 0.75), steps): "learning rate x 0.75",
        (_digits(rate * 1.25), steps): "learning rate x 1.25",
        (_digits(rate * 1.25), steps // 2): "half the steps, learning rate x 1.25",
    }
    beside = _rate_and_steps(winner)
    if beside is not None and beside != own:
        points.setdefault(beside, "the winner's rate and length")
    return [
        FrontierPoint(label, at, length, {file: with_constants(text, {"LEARNING_RATE": at, "STEPS": length})})
        for (at, length), label in points.items()
    ]


def _digits(rate: float) -> float:
    return float(f"{rate:.6g}")


def _rate_and_steps(text: str) -> tuple[float, int] | None:
    rate, steps = re.search(RATE_LINE, text, re.M), re.search(STEPS_LINE, text, re.M)
    try:
        return (_digits(float(rate[1])), int(steps[1])) if rate and steps else None
    except ValueError:
        return None
