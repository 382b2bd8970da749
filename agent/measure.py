"""Code + seed + split -> measurement: trained in the sandbox, scored outside it by a warm worker.

Owns the way from a commit to a stored measurement; what follows from one is for `decision`.
"""

from __future__ import annotations

import json
import math
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from agent.commands import Commands, hash_of
from agent.failures import (
    WEIGHTS_FILE,
    Cancelled,
    TrainingFailed,
    Untrusted,
    raise_failure,
)
from agent.measurement_keys import Derived, content_hash, policy_hash, snapshot_key
from agent.scorer import Scorer, ScoringFailed
from agent.settings import TrainingSettings
from agent.trace import law_of, read_trace
from agent.training import Rewards, Subject, Trainer
from agent.watch import Watch
from environments.base import Environment, InvalidPolicy, Score, Split
from environments.command.environment import CommandEnvironment
from environments.registry import is_path
from workspaces.executors.base import Executor
from workspaces.folders import delete_folder
from workspaces.ledger import Ledger
from workspaces.measurements import Measurement, MeasurementKey, MeasurementStore
from workspaces.spending import BEGUN_FILE, ENDED_FILE

Answer = TypeVar("Answer")

TRAINED_FILE = "trained.json"
TRAININGS = "trainings"


class Measurer:
    """Trains and scores; a key that is stored is not trained again. Safe from any thread."""

    def __init__(
        self,
        settings: TrainingSettings,
        environment: Environment,
        ledger: Ledger,
        store: MeasurementStore,
        executor: Executor,
        scorer: Scorer,
        rewards: Rewards = "task",
    ) -> None:
        self.settings = settings
        self.rewards = rewards
        self.environment = environment
        self.ledger = ledger
        self.store = store
        self.scorer = scorer
        self.derived = Derived(settings)
        self.trainer = Trainer(settings, environment, executor, rewards)
        self._commands: Commands | None = None
        if isinstance(environment, CommandEnvironment):
            self._commands, self._policy = Commands(environment, ledger, executor), "none"
        else:
            self._policy = policy_hash(environment)
        source = settings.environment
        self._domain = f"{environment.spec.name} {environment.spec.version}"
        if is_path(source):
            self._domain += f" {content_hash([Path(source)])}"
        if rewards != "task":
            self._domain += f", {rewards} rewards"
        self._notes = threading.Lock()
        self._locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)

    def rewarded(self, rewards: Rewards) -> Measurer:
        """The same, but what is trained gets these rewards; scores are the task's whatever they are."""
        return Measurer(
            self.settings,
            self.environment,
            self.ledger,
            self.store,
            self.trainer.executor,
            self.scorer,
            rewards,
        )

    def key(self, commit: str, seed: int, split: Split) -> MeasurementKey:
        """The key of a commit on a seed index and a split."""
        spec, seal = self.environment.spec, self.settings.seal
        sealed = f"{split}, seal {seal}" if split is Split.CONFIRMATION and seal > 1 else str(split)
        return MeasurementKey(
            tree=self.ledger.tree(commit),
            environment=self._domain,
            policy=self._policy,
            seed=seed,
            split=sealed,
            budget=json.dumps(dict(spec.budget), sort_keys=True),
            device=self.settings.device,
        )

    def limit_cpu(self, baseline: list[Measurement]) -> None:
        """From now on a training may take 1.25 times the CPU seconds of the slowest baseline."""
        self.trainer.limit_cpu(baseline)

    def find(self, commit: str, seed: int, split: Split) -> Measurement | None:
        """The stored measurement of a commit on a seed index; None while there is none."""
        return self.store.get(self.key(commit, seed, split))

    def measure(self, subject: Subject, seed: int, split: Split, watch: Watch | None = None) -> Measurement:
        """The measurement of a commit on one seed index, made if it is not stored yet.

        Raises what `train` and `score` raise.
        """
        with self._locks[self.key(subject.commit, seed, split).digest]:
            self.train(subject, seed, split, watch)
            return self.score(subject, seed, split)

    def trusted(
        self,
        work: Callable[[Subject, int, Split], Answer],
        subject: Subject,
        seed: int,
        split: Split,
        told: Callable[[Untrusted], None] = lambda _: None,
    ) -> Answer:
        """What `train` or `measure` gives; where it cannot be trusted it is trained anew, once, and told of.

        Raises what `work` raises.
        """
        try:
            return work(subject, seed, split)
        except Untrusted as error:
            told(error)
            self.forget(subject, seed, split)
            return work(subject, seed, split)

    def find_snapshot(self, commit: str, seed: int, updates: int) -> Measurement | None:
        """What a training on selection scored after so many updates; None where nobody looked."""
        return self.store.get(snapshot_key(self.key(commit, seed, Split.SELECTION), updates))

    def train(self, subject: Subject, seed: int, split: Split, watch: Watch | None = None) -> None:
        """Leave a trained policy in the subject's folder, unless it or its measurement is there.

        With `watch`, its snapshots are scored as it goes on.

        Raises:
            StoppedEarly: the watch saw no hope.
            TrainingFailed: no policy came of it.
            DiskFull: none came of it, but there is no room for one either.
            Untrusted: it went over its budget, or files were touched that no training may touch.
            Cancelled: the run is being stopped, or the training was cancelled.
        """
        key = self.key(subject.commit, seed, split)
        with self._locks[key.digest]:
            if self.store.get(key) is None and trained(subject.folder / f"{split}-{seed}", key) is None:
                self._note(BEGUN_FILE, subject, seed, split, time=time.time())
                note = partial(self._note_seconds, subject, seed, split)
                self._train_anew(subject, seed, split, watch, note)

    def _train_anew(
        self,
        subject: Subject,
        seed: int,
        split: Split,
        watch: Watch | None = None,
        ended: Callable[[float], None] = lambda _: None,
    ) -> None:
        key = self.key(subject.commit, seed, split)
        folder = subject.folder / f"{split}-{seed}"
        unnamed = self._unnamed(f"{key.digest} {subject.folder}")

        def score(updates: int, policy: Path, seconds: float) -> Score | None:
            return self._score_snapshot(snapshot_key(key, updates), policy, seconds)

        number = self.derived.number(f"train:{split}:{seed}")
        try:
            outcome = self.trainer.train(key.digest, subject, unnamed, number, watch, score, ended)
        finally:
            if unnamed.exists():
                delete_folder(folder)
                folder.parent.mkdir(parents=True, exist_ok=True)
                os.replace(unnamed, folder)
        touched = subject.workspace.changed(subject.commit)
        measured = dict[str, float]()
        if self._commands is not None:
            self._commands.keep(folder, outcome)
        else:
            rows = read_trace(folder / "out" / "trace.jsonl")
            wrote = (folder / "out" / "policy" / WEIGHTS_FILE).is_file()
            raise_failure(outcome, folder, len(rows), wrote=wrote)
        if touched:
            raise Untrusted(f"Files changed while it trained: {', '.join(touched[:5])}")
        if self._commands is not None:
            place, told = (
                self._unnamed(f"run {key.digest} {subject.folder}"),
                self.derived.unseen_seed(split, seed),
            )
            measured = self._commands.run(subject, folder, outcome, place, told)
        seconds = {"wall_seconds": outcome.wall_seconds, "cpu_seconds": outcome.cpu_seconds}
        mark = {"key": key.digest, **seconds, **measured}
        temporary = folder / (TRAINED_FILE + ".tmp")
        temporary.write_text(json.dumps(mark))
        os.replace(temporary, folder / TRAINED_FILE)

    def forget(self, subject: Subject, seed: int, split: Split) -> None:
        """Delete what a training left, so that it is trained anew; a stored measurement stays."""
        with self._locks[self.key(subject.commit, seed, split).digest]:
            delete_folder(subject.folder / f"{split}-{seed}")

    def score(self, subject: Subject, seed: int, split: Split) -> Measurement:
        """Score what `train` left, and store the measurement.

        Raises:
            TrainingFailed: the policy cannot be scored.
            Untrusted: the evaluator failed.
        """
        with self._locks[self.key(subject.commit, seed, split).digest]:
            found = self.find(subject.commit, seed, split)
            if found is None:
                found = self.score_anew(subject, seed, split)
                self.store.put(found)
            return found

    def score_anew(self, subject: Subject, seed: int, split: Split) -> Measurement:
        """Score what `train` left in the folder, whatever is stored. Raises what `score` raises."""
        key = self.key(subject.commit, seed, split)
        folder = subject.folder / f"{split}-{seed}"
        mark = trained(folder, key)
        if mark is None:
            raise Untrusted(f"{folder} lost its trained policy before it was scored")
        policy = folder / "out" / "policy"
        rows = read_trace(folder / "out" / "trace.jsonl")
        started = time.monotonic()
        try:
            if self._commands is not None:
                told = self.derived.unseen_seed(split, seed)
                score, weights = self._commands.score(subject, folder, split, told, mark)
            else:
                weights = hash_of(policy / WEIGHTS_FILE)
                opened = self.settings.opened if split is Split.CONFIRMATION else ()
                tasks = self.derived.tasks_seed(split)
                score = self._scored(partial(self.scorer.score, policy, split, tasks, opened))
        except InvalidPolicy as error:
            raise TrainingFailed(str(error), early=False) from error
        name = _infinite(score)
        if name is not None:
            raise TrainingFailed(f"The policy scores {name} = {score.metrics[name].value}", early=False)
        return Measurement(
            key=key,
            score=score,
            policy_hash=weights,
            wall_seconds=mark["wall_seconds"],
            cpu_seconds=mark["cpu_seconds"],
            score_seconds=time.monotonic() - started,
            entropy_start=rows[0].entropy if rows else None,
            entropy_end=score.metrics["entropy"].value if "entropy" in score.metrics else None,
            steps=len(rows),
            law=law_of(rows),
        )

    def cancel(self, commit: str, seed: int, split: Split) -> None:
        """End this training, if it runs: whoever waits for it gets Cancelled, and nothing is stored."""
        self.trainer.cancel(self.key(commit, seed, split).digest)

    def repeat(self, subject: Subject, seed: int, split: Split) -> Measurement:
        """Train and score anew, whatever is stored, and store nothing. Raises what `measure` raises."""
        delete_folder(subject.folder / f"{split}-{seed}")
        self._train_anew(subject, seed, split)
        return self.score_anew(subject, seed, split)

    def _unnamed(self, purpose: str) -> Path:
        return self.store.directory.parent / TRAININGS / self.derived.folder_name(purpose)

    def _score_snapshot(self, key: MeasurementKey, policy: Path, trained_for: float) -> Score | None:
        """The score of a snapshot, made and stored unless it is there; None if it says nothing of the metric.

        `trained_for` are the wall seconds of the training up to it.
        """
        found = self.store.get(key)
        if found is not None:
            return found.score
        started = time.monotonic()
        tasks = self.derived.tasks_seed(Split.SELECTION)
        score = self._scored(partial(self.scorer.score_snapshot, policy, tasks))
        named = {self.settings.metric, score.primary} if score is not None else set()
        if score is None or not named <= score.metrics.keys() or _infinite(score) is not None:
            return None
        self.store.put(
            Measurement(
                key=key, score=score, policy_hash=hash_of(policy / WEIGHTS_FILE), wall_seconds=trained_for,
                cpu_seconds=0.0, score_seconds=time.monotonic() - started, entropy_start=None,
                entropy_end=None, steps=0, law=None,
            )
        )  # fmt: skip
        return score

    def _scored(self, ask: Callable[[], Answer]) -> Answer:
        """What the scorer answers. Raises Untrusted where it failed, Cancelled where it was closed."""
        try:
            return ask()
        except ScoringFailed as error:
            if self.scorer.closed:
                raise Cancelled("The run is being stopped.") from error
            raise Untrusted(str(error)) from error

    def _note_seconds(self, subject: Subject, seed: int, split: Split, seconds: float) -> None:
        self._note(ENDED_FILE, subject, seed, split, seconds=seconds)

    def _note(self, file: str, subject: Subject, seed: int, split: Split, **known: float) -> None:
        """One row for a training that was begun or ended, so that anybody can count and add up."""
        row = {
            "key": self.key(subject.commit, seed, split).digest,
            "folder": subject.folder.name,
            "seed": seed,
            "split": split,
            **known,
        }
        with self._notes, (self.store.directory.parent / file).open("a") as rows:
            rows.write(json.dumps(row) + "\n")


def _infinite(score: Score) -> str | None:
    """The first metric with a figure that is not finite."""
    for name, metric in score.metrics.items():
        if not all(map(math.isfinite, (metric.value, metric.standard_error or 0.0, *metric.per_task))):
            return name
    return None


def trained(folder: Path, key: MeasurementKey) -> dict[str, float] | None:
    """What a finished training left behind for this key; None if there is none."""
    try:
        mark = json.loads((folder / TRAINED_FILE).read_text())
    except (OSError, ValueError):
        return None
    return mark if mark.get("key") == key.digest else None
