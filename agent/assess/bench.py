"""Where an assessment trains and scores: its folder, its ledger, and what was spent there.

Owns trainings of the template and of edits of it, seed by seed; what the figures mean is for the probes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agent.events import Message
from agent.failures import TrainingFailed, Untrusted
from agent.measure import Measurer, trained
from agent.opening import Opened
from agent.scorer import score_each
from agent.settings import TrainingSettings
from agent.training import Subject
from agent.trials import Variant
from agent.workers import Workers
from environments.base import Environment, Score, Split, SzilardError
from environments.registry import load
from workspaces.measurements import Measurement
from workspaces.workspace import Workspace

TEMPLATE = Variant("template", "the template as it is", {})


@dataclass(frozen=True)
class Training:
    """One training that is wanted; `anew` ones are of a clean checkout with the domain loaded again."""

    variant: Variant = field(hash=False)
    seed: int
    anew: bool = False

    @property
    def name(self) -> str:
        return f"{self.variant.name}{'-anew' if self.anew else ''}"


class Bench:
    """The trainings of one assessment; what is measured is not trained again, but where asked `anew`."""

    def __init__(self, directory: Path, settings: TrainingSettings, found: Opened) -> None:
        self.directory = directory
        self.settings = settings
        self.environment: Environment = found.environment
        self.measurer: Measurer = found.measurer
        self.failures: dict[Training, str] = {}
        self.touched: dict[Training, Sequence[str]] = {}
        self.wall_seconds = 0.0
        self.useful_seconds = 0.0
        self.done: dict[Training, Measurement] = {}
        self._observer = found.tell
        self._workers = Workers(directory, found.measurer)
        self._lock = threading.Lock()

    def say(self, text: str) -> None:
        self._observer(Message(text))

    @property
    def trainings(self) -> int:
        return len(self.done) + len(self.failures)

    @property
    def scoring_seed(self) -> int:
        return self.measurer.derived.tasks_seed(Split.SELECTION)

    def value(self, training: Training) -> float | None:
        """The signed score of a training; None where it gave no policy."""
        found = self.done.get(training)
        return self.settings.signed(found.score) if found is not None else None

    def train(self, wanted: Sequence[Training]) -> None:
        """Train and score, side by side; an edit that fails is noted, the template must not.

        Raises:
            SzilardError: the template cannot be trained as it is.
            Interrupted: stopped by Ctrl-C or SIGTERM; the same command goes on.
        """
        began = time.monotonic()
        waiting = [one for one in wanted if one not in self.done and one not in self.failures]
        for one in waiting:
            self.commit(one.variant)
        fresh = sum(self._is_fresh(one) for one in waiting)
        self._workers.each(self._one, waiting)
        self.wall_seconds += min(self.settings.workers, fresh) * (time.monotonic() - began)

    def commit(self, variant: Variant) -> str:
        if variant == TEMPLATE:
            return self.measurer.ledger.tags()["baseline"]
        return self.measurer.ledger.commit_arm(variant.name, variant.label, variant.files)

    def policy(self, training: Training) -> Path:
        """The policy that a training of this folder left."""
        return self._folder(training) / f"{Split.SELECTION}-{training.seed}" / "out" / "policy"

    def scores(self, policies: Mapping[str, Path], seed: int) -> dict[str, Score]:
        """Name -> score of a policy folder, as many at once as there are workers.

        One that cannot be scored is told of and left out.
        """
        scorer, workers = self.measurer.scorer, self.settings.workers
        answers = score_each(scorer, policies, Split.SELECTION, seed, workers)
        for name, found in answers.items():
            if isinstance(found, SzilardError):
                self.say(f"  {name} cannot be scored: {found}")
        return {name: found for name, found in answers.items() if isinstance(found, Score)}

    def _folder(self, training: Training) -> Path:
        return self.directory / "trainings" / training.name

    def _is_fresh(self, training: Training) -> bool:
        """Whether it has to be trained, and is not there from before."""
        found = self.measurer.find(self.commit(training.variant), training.seed, Split.SELECTION)
        return training.anew or found is None

    def _one(self, training: Training, workspace: Workspace) -> None:
        began = time.monotonic()
        subject = Subject(self.commit(training.variant), self._folder(training), workspace)
        fresh = self._is_fresh(training)
        what = f"{training.variant.label}, seed {training.seed}"
        if training.anew:
            what += ", from a clean checkout"
        try:
            measured = self._anew(subject, training) if training.anew else self._kept(subject, training)
        except (TrainingFailed, Untrusted) as error:
            reason = str(error).partition("\n")[0]
            if training.variant == TEMPLATE and not training.anew:
                raise SzilardError(
                    f"The template of {self.environment.spec.name} cannot be trained as it is: {reason} "
                    f"(logs below {self._folder(training)}). Mend it, then assess again."
                ) from error
            with self._lock:
                self.failures[training] = reason
                self.touched[training] = workspace.changed(subject.commit)
            self.say(f"  {what}: {reason}")
            return
        with self._lock:
            self.done[training] = measured
            if fresh:
                self.useful_seconds += measured.wall_seconds + measured.score_seconds
        score = measured.score.metrics[self.settings.metric].value
        self.say(f"  {what}: {score:.4f}, {time.monotonic() - began:.1f} s")

    def _kept(self, subject: Subject, training: Training) -> Measurement:
        """The stored measurement, whose policy is there too."""
        seed = training.seed
        found = self.measurer.find(subject.commit, seed, Split.SELECTION)
        key = self.measurer.key(subject.commit, seed, Split.SELECTION)
        folder = subject.folder / f"{Split.SELECTION}-{seed}"
        if found is not None and (training.variant != TEMPLATE or trained(folder, key) is not None):
            return found
        if found is not None:
            return self.measurer.repeat(subject, seed, Split.SELECTION)
        return self.measurer.measure(subject, seed, Split.SELECTION)

    def _anew(self, subject: Subject, training: Training) -> Measurement:
        """Trained again in a work tree of its own, by the domain as it is when it is loaded now."""
        checkout = Workspace(self.measurer.ledger, self.directory / "worktrees" / "clean")
        checkout.remove()
        again = Measurer(
            self.settings,
            load(self.settings.environment, self.settings.policy),
            self.measurer.ledger,
            self.measurer.store,
            self.measurer.trainer.executor,
            self.measurer.scorer,
        )
        place = Subject(subject.commit, subject.folder, checkout)
        return again.repeat(place, training.seed, Split.SELECTION)
