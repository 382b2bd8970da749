"""A domain whose training and scoring cost next to nothing: for tests of what surrounds them.

A training writes down its code, learning rate and seed, and the scores follow from these: of `solved` a
higher rate gives more, of `luck` no edit does; everything else is noise. No torch is imported anywhere. Where
SZILARD_TALLY names a file, each training that came to its end leaves a line in it; that works without a
sandbox only.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
from pathlib import Path

from environments.base import FrontierPoint, Metric, Score, Split
from environments.countdown import environment as countdown

TASKS = 16
START, TRAINED, GAIN, NOISE = 0.1, 0.4, 0.05, 0.004
WEIGHTS = "model.safetensors"
TRAIN = """
import hashlib, json, os, re, sys
root = os.environ["SZILARD_ROOT"].rstrip("/")
code = open("recipe.py").read() + open("entropy_control.py").read()
found = re.search(r"^LEARNING_RATE = (\\S+)", code, re.M)
told = json.load(open(root + "/data/job.json"))
code = hashlib.sha256(code.encode()).hexdigest()
made = {"code": code, "rate": float(found.group(1)), "seed": told["seed"]}
os.mkdir(root + "/out/policy")
open(root + "/out/policy/config.json", "w").write("{}")
with open(root + "/out/trace.jsonl", "w") as trace:
    for step in range(4):
        row = {"step": step, "reward_mean": 0.3 + step / 100, "entropy_mean": 0.5 - step / 100}
        trace.write(json.dumps(row) + "\\n")
open(root + "/out/policy/model.safetensors", "w").write(json.dumps(made))
if sys.argv[1:]:
    with open(sys.argv[1], "a") as tally:
        tally.write(code + " " + str(made["seed"]) + "\\n")
"""


class InstantDomain(countdown.Countdown):
    """Countdown's template; its recipe is read and never run."""

    spec = dataclasses.replace(
        countdown.Countdown.spec,
        name="instant",
        metric="solved",
        metric_meaning="the share of tasks that are solved",
        metrics=("solved", "luck"),
        guards=(),
        budget={"updates": 1},
        seconds_per_attempt=5.0,
        train_command=("python", "-S", "-c", TRAIN, *filter(None, [os.environ.get("SZILARD_TALLY")])),
    )

    def score(self, policy: Path, split: Split, seed: int) -> Score:
        content = (policy / WEIGHTS).read_bytes()
        luck = solved = START
        if content != (self.starting_policy() / WEIGHTS).read_bytes():
            digest = hashlib.sha256(content + split.encode()).digest()
            luck = TRAINED + NOISE * (int.from_bytes(digest[:4], "big") / 2**32 - 0.5)
            solved = luck + GAIN * max(-2.0, min(2.0, math.log2(json.loads(content)["rate"] / 3e-4)))
        metrics = {"solved": _metric(solved), "luck": _metric(luck), "entropy": Metric(0.3)}
        return Score("solved", metrics)

    def score_snapshot(self, policy: Path, seed: int) -> None:
        return None

    def frontier(self, winner: object = None) -> tuple[FrontierPoint, ...]:
        return ()


def _metric(value: float) -> Metric:
    per_task = tuple(value + 0.01 * (-1) ** task for task in range(TASKS))
    return Metric(value, 0.01, per_task, tuple(map(str, range(TASKS))))
