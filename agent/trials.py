"""Codes that are trained on the same seeds and scored on the same tasks, to be compared.

Owns the folder of a comparison: its ledger of variants, what of them is measured, and the time that it took.
Which variants, and what their figures mean, is said by who compares.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent.arms import Arm
from agent.events import Message, Observer
from agent.failures import TrainingFailed, Untrusted
from agent.measure import Measurer
from agent.opening import Opened, opened
from agent.ownership import owned
from agent.settings import TrainingSettings
from agent.state_files import Clock, read_json, read_score, write_json
from agent.trace import TraceRow, read_trace
from agent.training import Rewards, Subject
from agent.workers import Workers
from environments.base import Environment, Score, Split, SzilardError
from workspaces.folders import delete_folder
from workspaces.ledger import Ledger
from workspaces.measurements import Measurement
from workspaces.workspace import Workspace

SETTINGS_FILE = "comparison.json"
MAY_DIFFER = {"name", "minutes", "workers", "created", "secret"}


class OtherComparison(SzilardError):
    """The folder holds a comparison of other things."""


@dataclass(frozen=True)
class Variant:
    """One code: the template with `files` written over it. `name` can be a branch and a folder."""

    name: str
    label: str
    files: Mapping[str, str]


@dataclass(frozen=True)
class Trial:
    """One training that is wanted."""

    variant: Variant
    seed: int
    rewards: Rewards = "task"


class Trials:
    """The trainings of one comparison; what is measured is not trained again."""

    def __init__(self, directory: Path, settings: TrainingSettings, found: Opened, workers: Workers) -> None:
        self.directory = directory
        self.settings = settings
        self.environment: Environment = found.environment
        self.ledger: Ledger = found.measurer.ledger
        self.clock = Clock(directory / "clock.json")
        self._measurers: dict[Rewards, Measurer] = {
            "task": found.measurer,
            "random": found.measurer.rewarded("random"),
        }
        self._observer = found.tell
        self._workers = workers
        self._commits: dict[str, str] = {}
        self._failures: dict[tuple[str, Rewards], dict[int, str]] = {}

    def measure(self, trials: Sequence[Trial]) -> None:
        """Train and score what is wanted and not there yet; one that fails twice is noted and passed over.

        Failures are not kept: what a busy machine or a full disk spoiled is tried again by the same command.

        Raises:
            Interrupted: stopped by Ctrl-C or SIGTERM; the same command goes on.
        """
        for trial in trials:
            self._commit(trial.variant)
        self._workers.each(self._twice, [trial for trial in trials if self._found(trial) is None])
        self.clock.save()

    def are_there(self, trials: Sequence[Trial]) -> bool:
        """Whether all of these are measured."""
        return all(self._found(trial) is not None for trial in trials)

    def out_of_time(self) -> bool:
        minutes = self.settings.minutes
        return minutes is not None and self.clock.seconds >= 60 * minutes

    def measurements(
        self, variant: Variant, seeds: Sequence[int], rewards: Rewards = "task"
    ) -> dict[int, Measurement]:
        """Seed index -> measurement, of those that are there."""
        found = {seed: self._found(Trial(variant, seed, rewards)) for seed in seeds}
        return {seed: measured for seed, measured in found.items() if measured is not None}

    def arm(self, variant: Variant, seeds: Sequence[int], rewards: Rewards = "task") -> Arm:
        return Arm({seed: m.score for seed, m in self.measurements(variant, seeds, rewards).items()})

    def trace(self, variant: Variant, seed: int, rewards: Rewards = "task") -> list[TraceRow]:
        """What the training told of itself; empty if there is nothing."""
        return read_trace(self._output(Trial(variant, seed, rewards)) / "trace.jsonl")

    def failures(self, variant: Variant, rewards: Rewards = "task") -> dict[int, str]:
        """Seed index -> why its training came to nothing in this session, although it was tried twice."""
        return dict(self._failures.get((variant.name, rewards), {}))

    def start(self) -> Score:
        """The score of the policy that every training starts from."""
        path = self.directory / "start.json"
        if not path.exists():
            measurer = self._measurers["task"]
            seed = measurer.derived.tasks_seed(Split.SELECTION)
            policy = self.environment.starting_policy()
            write_json(path, measurer.scorer.score(policy, Split.SELECTION, seed).to_json())
        try:
            return read_score(path)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SzilardError(f"{path} is damaged. Delete it and type the same command again.") from error

    def _twice(self, trial: Trial, workspace: Workspace) -> None:
        reason = self._one(trial, workspace)
        if reason is not None:
            reason = self._one(trial, workspace)
        if reason is not None:
            key = (trial.variant.name, trial.rewards)
            self._failures.setdefault(key, {})[trial.seed] = reason

    def _one(self, trial: Trial, workspace: Workspace) -> str | None:
        """Why a trial failed; None if it did not."""
        measurer, began = self._measurers[trial.rewards], time.monotonic()
        subject = Subject(self._commit(trial.variant), self._folder(trial.variant, trial.rewards), workspace)
        rewards = "" if trial.rewards == "task" else f", {trial.rewards} rewards"
        what = f"{trial.variant.label}, seed {trial.seed}{rewards}"
        try:
            measured = measurer.measure(subject, trial.seed, Split.SELECTION)
        except (TrainingFailed, Untrusted) as error:
            reason = str(error).partition("\n")[0]
            self._observer(Message(f"{what}: {reason}"))
            return reason
        delete_folder(self._output(trial) / "policy")
        score = measured.score.metrics[self.settings.metric]
        entropy = "" if measured.entropy_end is None else f", entropy {measured.entropy_end:.3f}"
        seconds = time.monotonic() - began
        self._observer(Message(f"{what}: {score.value:.4f}{entropy}, {seconds:.0f} s"))
        return None

    def _found(self, trial: Trial) -> Measurement | None:
        commit = self._commit(trial.variant)
        return self._measurers[trial.rewards].find(commit, trial.seed, Split.SELECTION)

    def _commit(self, variant: Variant) -> str:
        if variant.name not in self._commits:
            self._commits[variant.name] = self.ledger.commit_arm(variant.name, variant.label, variant.files)
        return self._commits[variant.name]

    def _folder(self, variant: Variant, rewards: Rewards) -> Path:
        return self.directory / "trainings" / f"{variant.name}{'' if rewards == 'task' else f'-{rewards}'}"

    def _output(self, trial: Trial) -> Path:
        return self._folder(trial.variant, trial.rewards) / f"{Split.SELECTION}-{trial.seed}" / "out"


@contextmanager
def open_trials(
    directory: Path, settings: TrainingSettings, chosen: Mapping[str, object], observer: Observer
) -> Iterator[Trials]:
    """A comparison's folder, made or gone on with; `chosen` is what else decides what is compared.

    Raises:
        OtherComparison: the folder holds one with other settings, another version or other code.
        Interrupted, SzilardError: what `opened` raises.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with owned(directory), opened(directory, settings, observer) as found:
        template = _hash_of(found.environment.workspace_template())
        asked = settings.model_dump(mode="json", exclude={"secret"})
        claim(directory / SETTINGS_FILE, {**asked, **chosen, "template": template})
        workers = Workers(directory, found.measurer)
        trials = Trials(directory, settings, found, workers)
        try:
            yield trials
        finally:
            trials.clock.save()


def claim(path: Path, asked: Mapping[str, object]) -> None:
    """Write down what a folder compares, or check that it is what was compared there before.

    Raises:
        OtherComparison: it is another one, or what it was cannot be read.
    """
    if not path.exists():
        write_json(path, asked)
        return
    try:
        there = read_json(path)
    except SzilardError as error:
        raise OtherComparison(
            f"{path} is damaged, so what {path.parent} compares is not known: "
            "restore it, or choose another --out."
        ) from error
    differing = sorted(
        name for name in asked.keys() | there.keys() if there.get(name) != _plain(asked.get(name))
    )
    differing = [name for name in differing if name not in MAY_DIFFER]
    if differing:
        raise OtherComparison(
            f"{path.parent} holds a comparison with another {_few(differing)}: "
            "go on with it by the command that began it, or choose another --out."
        )


def _few(names: list[str]) -> str:
    return " and ".join(names) if len(names) < 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"


def _plain(value: object) -> object:
    return json.loads(json.dumps(value))


def _hash_of(files: Mapping[str, Path]) -> str:
    digest = hashlib.sha256()
    for inside, source in sorted(files.items()):
        content = source.read_bytes()
        digest.update(f"{inside} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]
