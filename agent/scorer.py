"""Asks warm worker processes for scores.

Owns the processes and their restarts; what a score is belongs to the environment.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from environments.base import InvalidPolicy, Score, Split, SzilardError


class ScoringFailed(SzilardError):
    """The evaluator itself failed: nothing is known about the policy."""


def scoring_command(environment: str, policy: str | None = None) -> list[str]:
    """What starts a worker: `-P` keeps the folder that it is started in off the path of imports."""
    given = [] if policy is None else [policy]
    return [sys.executable, "-P", "-m", "agent.scoring_worker", environment, *given]


def one_thread() -> dict[str, str]:
    """The environment of a process beside others: two threads on one core are slower than one."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class Scorer:
    """At most `workers` processes, started when first needed and kept warm; safe from any thread."""

    def __init__(self, environment: str, workers: int, policy: str | None = None) -> None:
        self._environment = environment
        self._policy = policy
        self._free: queue.SimpleQueue[subprocess.Popen[str] | None] = queue.SimpleQueue()
        self._started: list[subprocess.Popen[str]] = []
        self._lock = threading.Lock()
        self.closed = False
        for _ in range(workers):
            self._free.put(None)

    def score(self, policy: Path, split: Split, seed: int, opened: Sequence[int] = ()) -> Score:
        """Score one policy folder; `opened` are the seeds of sealed tasks that are to be left out.

        Raises:
            InvalidPolicy: the folder holds no policy that can be scored.
            ScoringFailed: the evaluator raised or died.
        """
        found = self._answer({"policy": str(policy), "split": split, "seed": seed, "opened": list(opened)})
        return Score.from_json(found)

    def score_snapshot(self, policy: Path, seed: int) -> Score | None:
        """Score an unfinished policy on a part of the selection tasks; None where the domain cannot.

        Raises what `score` raises.
        """
        found = self._answer({"policy": str(policy), "seed": seed})
        return Score.from_json(found) if found is not None else None

    def _answer(self, request: dict[str, object]) -> Any:
        worker = self._free.get()
        try:
            if worker is None or worker.poll() is not None:
                worker = self._start()
            answer = self._ask(worker, request)
        finally:
            self._free.put(worker)
        if "invalid" in answer:
            raise InvalidPolicy(answer["invalid"])
        if "failed" in answer:
            raise ScoringFailed(f"The evaluator of {self._environment} failed: {answer['failed']}")
        return answer["score"]

    def close(self) -> None:
        """End every process; a score that is being made then fails, and says nothing about its policy."""
        with self._lock:
            self.closed = True
        for worker in self._started:
            worker.kill()
            worker.wait()

    def _start(self) -> subprocess.Popen[str]:
        with self._lock:
            if self.closed:
                raise ScoringFailed(f"The scorer of {self._environment} is closed")
            # Signals of a stop reach the whole process group: the worker inherits that they are blocked.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
            try:
                worker = subprocess.Popen(
                    scoring_command(self._environment, self._policy),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    env=one_thread(),
                )
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
            self._started.append(worker)
        return worker

    def _ask(self, worker: subprocess.Popen[str], request: dict[str, object]) -> dict[str, Any]:
        if worker.stdin is None or worker.stdout is None:
            raise ScoringFailed("The scoring worker has no pipes")
        try:
            worker.stdin.write(json.dumps(request) + "\n")
            worker.stdin.flush()
            line = worker.stdout.readline()
            answer: dict[str, Any] = json.loads(line)
        except (OSError, json.JSONDecodeError) as error:
            worker.kill()
            worker.wait()
            raise ScoringFailed(f"The scoring worker of {self._environment} died: {error}") from error
        return answer


def score_each(
    scorer: Scorer, policies: Mapping[str, Path], split: Split, seed: int, at_once: int
) -> dict[str, Score | InvalidPolicy | ScoringFailed]:
    """Name -> score of a policy folder, or why it has none."""

    def one(policy: Path) -> Score | InvalidPolicy | ScoringFailed:
        try:
            return scorer.score(policy, split, seed)
        except (InvalidPolicy, ScoringFailed) as error:
            return error

    with ThreadPoolExecutor(at_once) as pool:
        return dict(zip(policies, pool.map(one, policies.values()), strict=True))
