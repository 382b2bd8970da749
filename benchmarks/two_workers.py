"""What a second worker is worth, and how much of their time two workers wait for a slow model.

`python benchmarks/two_workers.py [--attempts N] [--seconds S] [--model-seconds S]`. Real runs of one goal
with git, checkpoints and sandbox, whose training sleeps, so that the scheduler is measured and not the
machine. No edit does anything; some are lucky enough to race. A scripted model makes the same proposals
whatever it is shown, so that all runs but the catalogue's train the same codes on the same seeds: at once on
one worker and on two, and on two after it took its time. Idle is what the workers could have trained, from
the first attempt's beginning to the last verdict, and did not: proposing, scoring, git, and waiting.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from agent.events import Event, Progress
from environments.base import FrontierPoint, Metric, Score, Split
from environments.countdown.environment import Countdown
from tests.agent.scripted_server import Answer, Request, ScriptedServer, said
from workspaces.spending import read_spent

TARGET_SPEED_UP = 1.8
TARGET_IDLE = 0.10
MODEL = "language-model"
SLEEP = "SZILARD_BENCHMARK_SLEEP"
TRAIN = """
import json, os, sys, time
time.sleep(float(sys.argv[1]))
code = open("recipe.py").read() + open("entropy_control.py").read()
seed = json.load(open("/data/job.json"))["seed"]
os.mkdir("/out/policy")
open("/out/policy/config.json", "w").write("{}")
with open("/out/trace.jsonl", "w") as trace:
    for step in range(4):
        trace.write(json.dumps({"step": step, "reward_mean": 0.3, "entropy_mean": 0.5}) + "\\n")
open("/out/policy/model.safetensors", "w").write(json.dumps([code, seed]))
"""


class Sleeping(Countdown):
    """Countdown's template; a training sleeps, and what it scores is chance."""

    spec = replace(
        Countdown.spec,
        name="sleeping",
        metric="luck",
        metrics=("luck",),
        guards=(),
        budget={"updates": 1},
        train_command=("python", "-S", "-c", TRAIN, os.environ.get(SLEEP, "10")),
    )

    def score(self, policy: Path, split: Split, seed: int) -> Score:
        digest = hashlib.sha256((policy / "model.safetensors").read_bytes() + split.encode()).digest()
        trained = (policy / "config.json").stat().st_size == 2
        value = 0.3 * trained + 0.01 * int.from_bytes(digest[:4], "big") / 2**32
        per_task = tuple(value + 0.01 * (-1) ** task for task in range(16))
        luck = Metric(value, 0.01, per_task, tuple(map(str, range(16))))
        return Score("luck", {"luck": luck, "entropy": Metric(0.3)})

    def score_snapshot(self, policy: Path, seed: int) -> Score:
        return self.score(policy, Split.SELECTION, seed)

    def frontier(self, winner: object = None) -> tuple[FrontierPoint, ...]:
        return ()


@dataclass
class Watched:
    """What a run did between its first attempt and its last verdict; seconds."""

    folder: Path
    attempts: int
    began: float | None = None
    trained_before: float = 0.0
    ended: float = 0.0
    trained: float = 0.0
    verdicts: int = 0

    def observe(self, event: Event) -> None:
        if not isinstance(event, Progress) or event.attempt == 0:
            return
        if self.began is None:
            self.began, self.trained_before = time.monotonic(), self._trained()
        if event.verdict is not None:
            self.verdicts += 1
            self.ended, self.trained = time.monotonic(), self._trained()
        if self.verdicts == self.attempts:
            raise KeyboardInterrupt

    def _trained(self) -> float:
        return read_spent(self.folder).training_seconds

    @property
    def seconds(self) -> float:
        return self.ended - (self.began or 0.0)

    def idle(self, workers: int) -> float:
        return 1.0 - (self.trained - self.trained_before) / (workers * self.seconds)


def watched_run(folder: Path, attempts: int, workers: int, researcher: str, wait: float) -> Watched:
    from agent import run as engine
    from agent.plan import plan

    settings = plan(
        goal="Measure what a second worker is worth",
        environment=__file__,
        metric=None,
        guards=None,
        attempts=attempts,
        minutes=None,
        seeds=2,
        workers=workers,
        device="cpu",
        researcher=researcher,
        model="scripted" if researcher == MODEL else None,
        search="hill-climb",
        runs_dir=folder,
        name=f"{researcher}-{workers}-{wait:g}",
        seed=0,
        sandbox="auto",
        keep_policies=False,
    )
    watched = Watched(folder / settings.name, attempts)
    try:
        engine.start(settings, folder, watched.observe)
    except engine.Interrupted:
        if watched.verdicts < attempts:
            raise
    told = f"{researcher}{f' of {wait:g} s' if wait else ''}, {workers} worker{'s' * (workers > 1)}"
    print(
        f"{told}: {attempts} attempts in {watched.seconds:.1f} s, "
        f"{3600 * attempts / watched.seconds:.0f} an hour, idle {watched.idle(workers):.1%}",
        flush=True,
    )
    return watched


@contextmanager
def slow_model(seconds: float, requests: int) -> Iterator[None]:
    """A model that takes its time, and proposes another learning rate every time."""

    def answer(request: Request) -> Answer:
        time.sleep(seconds)
        prompt = request.messages[1]["content"]
        number = re.search(r"This is attempt (\d+) of", prompt)
        line = re.search(r"^LEARNING_RATE\b[^=\n]*=\s*([^\s#]+)", prompt, re.M)
        assert number is not None  # noqa: S101
        assert line is not None  # noqa: S101
        rate = f"{2 ** int(number[1])}e-9"
        edit = {"path": "recipe.py", "search": line[0], "replace": f"LEARNING_RATE = {rate}"}
        proposal = {
            "hypothesis": f"Learning rate {rate} does nothing either",
            "mechanism": "None.",
            "predicted_score_change": 0.0,
            "predicted_entropy": 0.3,
            "edits": [edit],
        }
        return said(json.dumps(proposal))

    with ScriptedServer(*[answer] * requests) as server:
        os.environ |= {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "sk-none"}
        yield


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--attempts", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=10.0, help="what a training sleeps")
    parser.add_argument("--model-seconds", type=float, default=5.0, help="what the model takes for a reply")
    asked = parser.parse_args()
    os.environ[SLEEP] = str(asked.seconds)
    with tempfile.TemporaryDirectory() as folder:

        def run(workers: int, researcher: str, wait: float = 0.0) -> Watched:
            with slow_model(wait, 4 * asked.attempts):
                return watched_run(Path(folder), asked.attempts, workers, researcher, wait)

        one, two, slow = (run(1, MODEL), run(2, MODEL), run(2, MODEL, asked.model_seconds))
        run(2, "catalogue")
    speed_up, idle = one.seconds / two.seconds, slow.idle(2)
    print(f"two workers make {speed_up:.2f} times the attempts an hour of one (target {TARGET_SPEED_UP})")
    print(
        f"a model of {asked.model_seconds:g} s leaves them idle {idle:.1%} (target below {TARGET_IDLE:.0%})"
    )
    sys.exit(speed_up < TARGET_SPEED_UP or idle > TARGET_IDLE)


if __name__ == "__main__":
    main()
