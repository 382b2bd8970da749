"""Learn a direction from labelled points: logistic regression by gradient descent. Yours to edit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

LEARNING_RATE = 0.3
STEPS = 60
POINTS = 40
START_SCALE = 1.0
DECAY = 0.001

Array = NDArray[np.float64]
Draw = Callable[[int], tuple[Array, Array]]


def learn(start: Array, draw: Draw) -> Array:
    """The weights after training; `draw(n)` gives n new points [n, 24] and their labels, -1 or 1 [n]."""
    weights = START_SCALE * start
    for _ in range(STEPS):
        points, labels = draw(POINTS)
        margins = labels * (points @ weights)
        pull = labels / (1.0 + np.exp(margins))
        gradient = -(points * pull[:, None]).mean(axis=0) + DECAY * weights
        weights = weights - LEARNING_RATE * gradient
    return weights
