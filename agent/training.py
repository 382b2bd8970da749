"""One training in the sandbox: its job, its limits, and the watch over its snapshots.

Owns the way from a commit to the outcome of its training; what it left is judged and scored elsewhere.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from agent.failures import Cancelled, StoppedEarly, TrainingFailed
from agent.settings import TrainingSettings
from agent.watch import Watch, Watcher, snapshots_of
from environments.base import Environment, Score
from environments.registry import is_path
from workspaces.executors.base import Executor, Job, Limits, Outcome
from workspaces.folders import delete_folder, entries_of
from workspaces.measurements import Measurement
from workspaces.redaction import redact_file
from workspaces.workspace import Workspace

Rewards = Literal["task", "random"]
ScoreSnapshot = Callable[[int, Path, float], Score | None]

CPU_ALLOWANCE = 1.25
CPU_SLACK = 2.0
WALL_ALLOWANCE = 10.0
UNMEASURED_ALLOWANCE = 20.0
LARGER_WHEN_WRITTEN = 3
COPIES_IN_MEMORY = 8


@dataclass(frozen=True)
class Subject:
    """What is trained: a commit, the folder of its logs, and the work tree that it is trained in."""

    commit: str
    folder: Path
    workspace: Workspace


class Trainer:
    """Trains in the sandbox of an executor. Safe from any thread."""

    def __init__(
        self,
        settings: TrainingSettings,
        environment: Environment,
        executor: Executor,
        rewards: Rewards,
    ) -> None:
        self.executor = executor
        self._settings = settings
        self._environment = environment
        self._rewards = rewards
        self._cpu_limit: float | None = None
        self._jobs: dict[str, str] = {}

    def limit_cpu(self, baseline: list[Measurement]) -> None:
        """From now on a training may take 1.25 times the CPU seconds of the slowest baseline."""
        self._cpu_limit = round(CPU_ALLOWANCE * max(m.cpu_seconds for m in baseline) + CPU_SLACK, 1)

    def train(
        self,
        name: str,
        subject: Subject,
        folder: Path,
        seed: int,
        watch: Watch | None,
        score: ScoreSnapshot,
        ended: Callable[[float], None] = lambda _: None,
    ) -> Outcome:
        """Train a commit in an emptied folder; `name` is for `cancel`.

        With `watch`, snapshots are scored as it goes on: `score` gets the updates before it, its folder and
        the wall seconds that it took. `ended` gets those of the whole, however it ended.

        Raises:
            StoppedEarly: the watch saw no hope.
            Cancelled: the run is being stopped, or the training was cancelled.
        """
        delete_folder(folder)
        job = self._job(subject, folder, seed)
        subject.workspace.checkout(subject.commit)
        handle = self.executor.submit(job)
        self._jobs[name] = handle
        try:
            if watch is None:
                outcome = self.executor.wait(handle)
                ended(outcome.wall_seconds)
            else:
                outcome = self._wait_and_watch(handle, folder, watch, score, ended)
        finally:
            del self._jobs[name]
            _redact(folder)
        if outcome.cancelled:
            raise Cancelled("The training was cancelled.")
        return outcome

    def cancel(self, name: str) -> None:
        """End this training, if it runs: whoever waits for it gets Cancelled."""
        handle = self._jobs.get(name)
        if handle is not None:
            self.executor.cancel(handle)

    def _job(self, subject: Subject, folder: Path, seed: int) -> Job:
        (folder / "out").mkdir(parents=True)
        (folder / "data").mkdir()
        spec, device = self._environment.spec, self._settings.device
        name = self._settings.environment
        if is_path(name):
            shutil.copy(name, folder / "data" / "environment.py")
            name = "environment.py"
        snapshots = snapshots_of(spec)
        told = {
            "environment": name,
            "seed": seed,
            "device": device,
            "budget": dict(spec.budget),
            "rewards": self._rewards,
            "snapshots": snapshots,
            "given_policy": self._settings.policy is not None,
        }
        (folder / "data" / "job.json").write_text(json.dumps(told))
        wall = UNMEASURED_ALLOWANCE * spec.seconds_per_attempt
        if self._cpu_limit is not None:
            wall = min(wall, WALL_ALLOWANCE * self._cpu_limit)
        return Job(
            name=f"{subject.folder.name} {folder.name}",
            workspace=subject.workspace.path,
            output=folder / "out",
            command=spec.train_command,
            limits=self._limits(wall, len(snapshots)),
            inputs={"/policy": self._environment.starting_policy(), "/data": folder / "data"},
            device=device,
        )

    def _limits(self, wall: float, snapshots: int) -> Limits:
        """Room for the policy that was asked for: written at the end and as snapshots, held several times."""
        limits = Limits(wall_seconds=wall, cpu_seconds=self._cpu_limit)
        written = self._most_weights()
        return replace(
            limits,
            output_bytes=limits.output_bytes + (1 + snapshots) * written,
            memory_bytes=limits.memory_bytes + COPIES_IN_MEMORY * written,
        )

    def _most_weights(self) -> int:
        """Bytes that the weights of a trained policy may have: half precision is written in full."""
        files = self._environment.starting_policy().glob("*.safetensors")
        return LARGER_WHEN_WRITTEN * sum(file.stat().st_size for file in files)

    def _wait_and_watch(
        self,
        handle: str,
        folder: Path,
        watch: Watch,
        score: ScoreSnapshot,
        ended: Callable[[float], None],
    ) -> Outcome:
        stopped = list[str]()

        def stop() -> None:
            stopped.append(handle)
            self.executor.cancel(handle)

        started = time.monotonic()

        def scored(updates: int, policy: Path) -> Score | None:
            return score(updates, policy, time.monotonic() - started)

        watcher = Watcher(watch, folder, self._most_weights(), scored, stop)
        cancelled = True
        try:
            outcome = self.executor.wait(handle)
            ended(outcome.wall_seconds)
            cancelled = outcome.cancelled and not stopped
        finally:
            hopeless = watcher.end(abandon=cancelled)
        if hopeless is not None:
            raise StoppedEarly(hopeless)
        return outcome


def _redact(folder: Path) -> None:
    """Take secrets out of all that a training wrote, before anything of it is read.

    Raises:
        TrainingFailed: it left what nobody can read or write.
    """
    try:
        for entry in entries_of(folder):
            if entry.is_file(follow_symlinks=False):
                redact_file(Path(entry.path))
    except OSError as failure:
        told = f"It left a file that cannot be read or renamed: {failure.strerror}"
        raise TrainingFailed(told, early=False) from failure
