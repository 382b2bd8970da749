"""What a domain must say to be researched: tasks, rewards, scores and what may be edited.

Owns the contract and its records; it neither trains, nor samples, nor touches git.
"""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal

CONTRACT = 1
CONTRACT_CHANGES = {
    1: "`tasks` takes (split, seed, count), `reward` and `score` return what their type says, "
    "and `spec` is an EnvironmentSpec, which `language_spec` fills in"
}
"""Contract version -> what changed with it, for whoever wrote an adapter for an older one."""


class SzilardError(Exception):
    """Base of every error a user can cause; its message says what happened and what to do next."""


class InvalidEnvironment(SzilardError):
    """A domain adapter is unknown, broken or asked for something that it cannot give."""


class Split(StrEnum):
    """Which tasks: `training` is served inside the sandbox, the other two never enter it."""

    TRAINING = "training"
    SELECTION = "selection"
    CONFIRMATION = "confirmation"


def split_of(cluster: str) -> Split:
    """The split that a cluster belongs to, by its hash: of ten, eight train, one selects, one confirms."""
    tenth = int.from_bytes(hashlib.sha256(cluster.encode()).digest()[:4], "big") % 10
    return {0: Split.SELECTION, 1: Split.CONFIRMATION}.get(tenth, Split.TRAINING)


@dataclass(frozen=True)
class Task:
    """One prompt and what its reward needs.

    `cluster` names the tasks that belong together (countdown: the same number multiset): they are
    kept in one split and resampled together.
    """

    prompt: str
    cluster: str


@dataclass(frozen=True)
class Metric:
    """One named figure of a score.

    `per_task` and `cluster` have one entry a task, in the order of the tasks; both are empty for a
    metric that has no per-task form. `standard_error` respects clusters; None if it could not be had.
    """

    value: float
    standard_error: float | None = None
    per_task: tuple[float, ...] = ()
    cluster: tuple[str, ...] = ()


@dataclass(frozen=True)
class Score:
    """What one policy is worth on one split: named metrics, one of them primary."""

    primary: str
    metrics: Mapping[str, Metric]

    @property
    def value(self) -> float:
        return self.metrics[self.primary].value

    def to_json(self) -> dict[str, Any]:
        return {
            "primary": self.primary,
            "metrics": {
                name: {
                    "value": metric.value,
                    "standard_error": metric.standard_error,
                    "per_task": list(metric.per_task),
                    "cluster": list(metric.cluster),
                }
                for name, metric in self.metrics.items()
            },
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Score:
        return cls(
            primary=data["primary"],
            metrics={
                name: Metric(
                    value=row["value"],
                    standard_error=row["standard_error"],
                    per_task=tuple(row["per_task"]),
                    cluster=tuple(row["cluster"]),
                )
                for name, row in data["metrics"].items()
            },
        )


@dataclass(frozen=True)
class Guard:
    """A metric that must not be worse than the baseline's by more than `tolerance` (its own units)."""

    metric: str
    tolerance: float


@dataclass(frozen=True)
class EnvironmentSpec:
    """What a domain is, in one place; everything a person or a researcher must know before training.

    `budget` is what one training may spend: rollout `tokens` and optimiser `updates`. A change of the
    metric by less than `minimum_effect` is of no interest, however sure; `effect_of_interest` is what
    research hopes to find, for which an assessment counts the seeds, 0 where the domain does not say.
    `trains_policy`: a policy with an entropy is trained; without one nothing is said of entropy.
    `self_reported`: code that may be edited prints the metric. `deterministic`: a seed changes nothing but
    timing. `confirmed_on`: what a confirmation rests on.
    """

    name: str
    version: str
    description: str
    metric: str
    metric_meaning: str
    direction: Literal["maximise", "minimise"]
    range: tuple[float, float]
    metrics: tuple[str, ...]
    guards: tuple[Guard, ...]
    editable: tuple[str, ...]
    protected: tuple[str, ...]
    train_command: tuple[str, ...]
    budget: Mapping[str, int]
    seconds_per_attempt: float
    seeds: int
    minimum_effect: float = 0.0
    effect_of_interest: float = 0.0
    trains_policy: bool = True
    self_reported: bool = False
    deterministic: bool = False
    confirmed_on: str = "fresh seeds and sealed tasks"

    def better(self, change: float) -> float:
        """The change of the primary metric, signed so that positive is an improvement."""
        return change if self.direction == "maximise" else -change


def matches(path: str, globs: Sequence[str]) -> bool:
    """Whether a path matches one of the globs: `*` and `?` stay inside a folder, `**` crosses folders."""
    return any(_pattern(glob).fullmatch(path) for glob in globs)


@lru_cache(maxsize=512)
def _pattern(glob: str) -> re.Pattern[str]:
    tokens = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", glob)
    return re.compile("".join(tokens.get(part, re.escape(part)) for part in parts), re.DOTALL)


@dataclass(frozen=True)
class FrontierPoint:
    """The template at another learning rate or length: code that no control has touched.

    `files` are the editable files that differ from the template's: path -> text.
    """

    label: str
    learning_rate: float
    steps: int
    files: Mapping[str, str]


class Environment(ABC):
    """A domain adapter.

    `contract` is the version of this contract that the adapter was written for (`CONTRACT` is today's).
    `score_delay`: seconds by which a score comes later in the domain than `score` gives it, where it is
    simulated; `scored_by_person`: whether a person makes it. The assessment reads both.
    """

    contract: ClassVar[int | None] = None
    spec: EnvironmentSpec
    score_delay: float = 0.0
    scored_by_person: bool = False

    @abstractmethod
    def workspace_template(self) -> Mapping[str, Path]:
        """The code under research: path inside the work tree -> file that it is copied from."""

    @abstractmethod
    def starting_policy(self) -> Path:
        """Folder of the policy that every attempt starts from, bound read-only at /policy."""

    def with_policy(self, name: str) -> Environment:
        """The same domain, but every attempt starts from the policy in the folder `name`.

        Raises:
            InvalidEnvironment: there is no such policy, or the domain starts from no other than its own.
        """
        raise InvalidEnvironment(
            f"{self.spec.name} starts from its own policy alone: --policy is for domains of prompts and "
            "rewards."
        )

    def frontier(self, winner: Mapping[str, str] | None = None) -> Sequence[FrontierPoint]:
        """What learning rate and length alone can reach; empty where a domain has neither.

        `winner` are the editable files of a winner: the template at its own rate and length is a point too.
        """
        return ()

    def at_temperature(self, temperature: float, *, tasks: int, samples: int) -> Environment | None:
        """The same domain, scored at a temperature of the policy, on so many tasks with so many samples each.

        None where a score has no temperature: its entropy regime is then read from trainings alone.
        """
        return None

    @abstractmethod
    def score(self, policy: Path, split: Split, seed: int) -> Score:
        """Score a Hugging Face policy folder outside the sandbox.

        `seed` chooses tasks and samples; it is derived from a secret that never enters the sandbox.

        Raises:
            InvalidPolicy: the folder holds no policy of the starting policy's shape, or NaN weights.
        """

    def trivial_policies(self, folder: Path) -> Mapping[str, Path]:
        """Policies that solve nothing, written below `folder`: name -> policy folder.

        The assessment asks whether one of them wins, beside those that it makes of any weights.
        """
        return {}

    def score_snapshot(self, policy: Path, seed: int) -> Score | None:
        """Score an unfinished policy as `score` does, on a fifth of the selection tasks.

        None where a domain cannot: its trainings are never stopped early. Raises what `score` raises.
        """
        return None

    def resealed(self, opened: Sequence[int], seed: int) -> Environment:
        """The same domain, but the confirmation tasks of `seed` are none of those of the seeds `opened`.

        `opened` are in the order in which they were scored, each without the tasks of those before it.

        Raises:
            InvalidEnvironment: the domain cannot tell its tasks apart, or has too few of them.
        """
        raise InvalidEnvironment(
            f"{self.spec.name} cannot choose confirmation tasks that were not opened before: a domain that "
            "can is a LanguageEnvironment, or has a method `resealed`."
        )


class InvalidPolicy(SzilardError):
    """The folder that training wrote holds no policy that can be scored."""
