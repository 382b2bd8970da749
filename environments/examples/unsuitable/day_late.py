"""Unsuitable: the score arrives a day and an hour after the training has ended (F1, M9; simulated)."""

from __future__ import annotations

import dataclasses

from environments.examples.direction import Direction


class DayLate(Direction):
    """Here the score is there at once; the domain that it stands for waits for a laboratory."""

    spec = dataclasses.replace(Direction.spec, name="day-late")
    score_delay = 25 * 3600.0
