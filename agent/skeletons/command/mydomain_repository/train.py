"""Fits a polynomial to noisy points and leaves its coefficients in model.json."""

import json
import random
import sys

DEGREE = 2
STEPS = 3000
RATE = 0.02


def main(seed: int) -> None:
    rng = random.Random(seed)
    points = [rng.uniform(-1, 1) for _ in range(40)]
    values = [x**3 - x + rng.gauss(0, 0.05) for x in points]
    model = [0.0] * (DEGREE + 1)
    for _ in range(STEPS):
        pick = rng.randrange(len(points))
        powers = [points[pick] ** k for k in range(DEGREE + 1)]
        error = sum(c * p for c, p in zip(model, powers, strict=True)) - values[pick]
        model = [c - RATE * error * p for c, p in zip(model, powers, strict=True)]
    with open("model.json", "w") as file:
        json.dump(model, file)


main(int(sys.argv[1]))
