"""Milliseconds that the loop adds to an attempt: everything but training and scoring.

`python benchmarks/loop_overhead.py [ATTEMPTS]`. A real run of the catalogue researcher on countdown with
git, checkpoints, sandbox and the warm scoring worker, but with a training command that copies the starting
policy and writes a trace of the usual length, and a scorer that answers at once with figures of the usual
size. Every trained policy scores the same, so an attempt costs one sandbox launch. Time runs from verdict
to verdict.
"""

from __future__ import annotations

import argparse
import itertools
import random
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from agent.events import Event, Progress
from environments.base import Metric, Score, Split
from environments.countdown.environment import Countdown
from evaluators.clustered import clustered_standard_error

TARGET_MILLISECONDS = 300
TRAIN = """
import json, os
os.mkdir("/out/policy")
for name in os.listdir("/policy"):
    data = bytearray(open("/policy/" + name, "rb").read())
    if name == "model.safetensors":
        seed = json.load(open("/data/job.json"))["seed"]
        data[-4:-2] = (seed % 65536).to_bytes(2, "little")
    open("/out/policy/" + name, "wb").write(data)
with open("/out/trace.jsonl", "w") as trace:
    for step in range(300):
        row = {"step": step, "reward_mean": 0.3 + step / 1000, "entropy_mean": 0.5 - step / 1000}
        trace.write(json.dumps(row) + "\\n")
"""


class Instant(Countdown):
    """Countdown's code, tasks and prompts; training and scoring cost next to nothing."""

    spec = replace(Countdown.spec, name="instant", train_command=("python", "-S", "-c", TRAIN))

    def score(self, policy: Path, split: Split, seed: int) -> Score:
        rng, weights = random.Random(seed), "model.safetensors"
        trained = (policy / weights).read_bytes() != (self.starting_policy() / weights).read_bytes()
        tasks = self.tasks(split, seed, self.scored_tasks)
        clusters = tuple(task.cluster for task in tasks)
        metrics = {}
        mark = int.from_bytes((policy / weights).read_bytes()[-4:-2], "little")
        for name in (*self.spec.metrics, "entropy", "response_length", "validity"):
            values = [(rng.randrange(2**19) + 2**17 * trained) / 2**20 for _ in tasks]
            values[0], values[1] = values[0] + mark / 2**20, values[1] - mark / 2**20
            mean = sum(values) / len(values)
            error = clustered_standard_error(values, clusters)
            metrics[name] = Metric(mean, error, tuple(values), clusters)
        return Score(self.spec.metric, metrics)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("attempts", nargs="?", type=int, default=30, metavar="ATTEMPTS")
    attempts: int = parser.parse_args().attempts
    from agent import run as engine
    from agent.plan import plan

    verdicts: dict[int, float] = {}

    def observe(event: Event) -> None:
        if isinstance(event, Progress) and event.attempt > 0 and event.verdict is not None:
            verdicts.setdefault(event.attempt, time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        settings = plan(
            goal="Measure what the loop itself costs",
            environment=__file__,
            metric=None,
            guards=None,
            attempts=attempts,
            minutes=None,
            seeds=2,
            workers=1,
            device="cpu",
            researcher="catalogue",
            model=None,
            search="hill-climb",
            runs_dir=Path(folder),
            name="overhead",
            seed=0,
            sandbox="auto",
            keep_policies=False,
        )
        summary = engine.start(settings, Path(folder), observe)
        launches = len(list(summary.directory.glob("attempts/*/selection-*")))
        outcomes = ", ".join(f"{count} {verdict}" for verdict, count in summary.verdicts.items())

    ends = [verdicts[number] for number in sorted(verdicts)]
    spans = sorted(1000 * (end - start) for start, end in itertools.pairwise(ends))
    median = statistics.median(spans)
    print(f"{len(ends)} attempts ({outcomes}), {launches} sandbox launches with the baseline's")
    print(f"overhead of an attempt: median {median:.0f} ms, min {spans[0]:.0f}, max {spans[-1]:.0f}")
    print(f"target: at most {TARGET_MILLISECONDS} ms")
    sys.exit(median > TARGET_MILLISECONDS)


if __name__ == "__main__":
    main()
