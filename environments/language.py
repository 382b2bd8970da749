"""The short way to a domain: tasks with a prompt and a reward; scoring and diagnostics are inherited.

Owns how a language policy is scored: draws samples outside the sandbox and turns rewards into metrics.
"""

from __future__ import annotations

import atexit
import copy
import re
import tempfile
from abc import abstractmethod
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from environments.base import (
    Environment,
    FrontierPoint,
    InvalidEnvironment,
    InvalidPolicy,
    Metric,
    Score,
    Split,
    Task,
)
from evaluators.clustered import clustered_standard_error

if TYPE_CHECKING:
    from evaluators.policy import Policy
    from evaluators.sampling import Completions

TEMPLATES = Path(__file__).parent.parent / "workspaces" / "templates"
PASS_AT = (1, 2, 4, 8, 16)
SCORED_ROWS = 8192
SNAPSHOT_STRIDE, SNAPSHOT_SAMPLES = 5, 16
SAMPLING_BYTES, LONGEST_PROMPT = 2 * 2**30, 256
OPERATIONS_OF_A_TOKEN, OPERATIONS_A_SECOND = 16, 2e10
RECIPE = "recipe.py"
RATE_LINE = r"^LEARNING_RATE = (\S+)"
STEPS_LINE = r"^STEPS = (\S+)"


def _digits(rate: float) -> float:
    return float(f"{rate:.6g}")


def _rate_and_steps(recipe: str) -> tuple[float, int] | None:
    rate, steps = re.search(RATE_LINE, recipe, re.M), re.search(STEPS_LINE, recipe, re.M)
    try:
        return (_digits(float(rate[1])), int(steps[1])) if rate and steps else None
    except ValueError:
        return None


def _recipe_with(recipe: str, constants: Mapping[str, float]) -> str:
    """The recipe with other values of some of its constants."""
    for name, value in constants.items():
        recipe = re.sub(rf"^{name} = \S+", f"{name} = {value:g}", recipe, flags=re.M)
    return recipe


@cache
def _tuned(constants: tuple[tuple[str, float], ...]) -> Path:
    """The template's recipe with a domain's constants, in a file that lives as long as the process."""
    folder = tempfile.TemporaryDirectory(prefix="szilard-recipe-")
    atexit.register(folder.cleanup)
    path = Path(folder.name) / RECIPE
    path.write_text(_recipe_with((TEMPLATES / "grpo" / RECIPE).read_text(), dict(constants)))
    return path


class LanguageEnvironment(Environment):
    """A domain of prompts and rewards. Give `spec`, `tasks`, `reward` and a starting policy.

    `recipe_constants` are those of the template's recipe.py that this domain is tuned to: name -> value.
    `given_policy` says that it starts from a policy that it was given, and not from its own.
    """

    max_tokens: int
    scored_tasks: int = 512
    scored_samples: int = 32
    seen_tasks: int = 128
    given_policy: bool = False
    recipe_constants: Mapping[str, float] = {}
    _sealed: tuple[int, Sequence[Task]] | None = None

    @abstractmethod
    def tasks(self, split: Split, seed: int, count: int) -> Sequence[Task]:
        """`count` tasks of a split, a function of the seed; splits share no cluster."""

    @abstractmethod
    def reward(self, task: Task, completion: str) -> float:
        """1.0 for a right completion, 0.0 for a wrong one."""

    def diagnose(self, task: Task, completions: Sequence[str]) -> Mapping[str, float]:
        """Further figures of one task's samples; no verdict is made of them."""
        return {}

    def workspace_template(self) -> Mapping[str, Path]:
        """The GRPO template and the shared controls."""
        template = {path.name: path for path in sorted((TEMPLATES / "grpo").glob("*.*"))}
        controls = {f"controls/{p.name}": p for p in sorted((TEMPLATES / "controls").glob("*.py"))}
        if self.recipe_constants:
            template[RECIPE] = _tuned(tuple(self.recipe_constants.items()))
        return {**template, **controls}

    def with_policy(self, name: str) -> LanguageEnvironment:
        from evaluators.hugging_face import find_policy, weights_count
        from evaluators.policy import PolicyFileError

        try:
            folder = find_policy(name)
            parameters = weights_count(folder)
        except PolicyFileError as error:
            raise InvalidEnvironment(str(error)) from error
        domain = copy.copy(self)
        domain.starting_policy = partial(Path, folder)  # type: ignore[method-assign]
        domain.given_policy = True
        domain._suit(parameters)
        return domain

    def _suit(self, parameters: int) -> None:
        """Make the limits of an attempt fit a policy of so many parameters, on one core of a CPU."""
        operations = self.spec.budget["tokens"] * parameters * OPERATIONS_OF_A_TOKEN
        seconds = max(self.spec.seconds_per_attempt, float(round(operations / OPERATIONS_A_SECOND)))
        self.spec = replace(self.spec, seconds_per_attempt=seconds)

    def frontier(self, winner: Mapping[str, str] | None = None) -> Sequence[FrontierPoint]:
        """The recipe at learning rates around its own, at half its length, and at the winner's of both."""
        recipe = self.workspace_template()[RECIPE].read_text()
        own = _rate_and_steps(recipe)
        if own is None:
            return ()
        rate, steps = own
        points = {
            (_digits(rate * 0.5), steps): "learning rate x 0.5",
            (_digits(rate * 0.75), steps): "learning rate x 0.75",
            (_digits(rate * 1.25), steps): "learning rate x 1.25",
            (_digits(rate * 1.25), steps // 2): "half the steps, learning rate x 1.25",
        }
        beside = _rate_and_steps((winner or {}).get(RECIPE, ""))
        if beside is not None and beside != own:
            points.setdefault(beside, "the winner's rate and length")
        return [
            FrontierPoint(
                label, at, length, {RECIPE: _recipe_with(recipe, {"LEARNING_RATE": at, "STEPS": length})}
            )
            for (at, length), label in points.items()
        ]

    def resealed(self, opened: Sequence[int], seed: int) -> LanguageEnvironment:
        touched: set[str] = set()
        for each in opened:
            touched |= {task.prompt for task in self._untouched(each, touched)}
        domain = copy.copy(self)
        domain._sealed = (seed, self._untouched(seed, touched))
        return domain

    def _untouched(self, seed: int, touched: Set[str]) -> Sequence[Task]:
        """The confirmation tasks of a seed without the prompts `touched`."""
        drawn = self.tasks(Split.CONFIRMATION, seed, self.scored_tasks + len(touched))
        tasks = [task for task in drawn if task.prompt not in touched][: self.scored_tasks]
        if len(tasks) < self.scored_tasks:
            raise InvalidEnvironment(
                f"{self.spec.name} has {len(tasks)} confirmation tasks that were not opened before, and "
                f"scores {self.scored_tasks}: there is nothing left to confirm on."
            )
        return tasks

    def score(self, policy: Path, split: Split, seed: int) -> Score:
        loaded = self._load(policy)
        if split is Split.CONFIRMATION and self._sealed is not None and self._sealed[0] == seed:
            tasks = self._sealed[1]
        else:
            tasks = self.tasks(split, seed, self.scored_tasks)
        metrics = self._metrics(loaded, tasks, seed, self.scored_samples)
        seen = self.tasks(Split.TRAINING, seed, self.seen_tasks)
        seen_rewards, _, _ = self._sample(loaded, seen, seed + 1, 8)
        seen_rate = sum(map(sum, seen_rewards)) / (len(seen) * 8)
        metrics["seen_gap"] = Metric(seen_rate - metrics["pass_at_1"].value)
        return Score(self.spec.metric, metrics)

    def score_snapshot(self, policy: Path, seed: int) -> Score:
        tasks = self.tasks(Split.SELECTION, seed, self.scored_tasks)[::SNAPSHOT_STRIDE]
        return Score(self.spec.metric, self._metrics(self._load(policy), tasks, seed, SNAPSHOT_SAMPLES))

    def _metrics(self, loaded: Policy, tasks: Sequence[Task], seed: int, samples: int) -> dict[str, Metric]:
        rewards, diagnoses, completions = self._sample(loaded, tasks, seed, samples)
        clusters = tuple(task.cluster for task in tasks)
        per_task = self._pass_metrics(rewards)
        entropies = (completions.entropies * completions.mask).sum(1) / completions.mask.sum(1)
        per_task["entropy"] = entropies.view(len(tasks), -1).mean(1).tolist()
        per_task["response_length"] = completions.mask.sum(1).view(len(tasks), -1).float().mean(1).tolist()
        for name in diagnoses[0]:
            per_task[name] = [row[name] for row in diagnoses]
        return {
            name: Metric(
                sum(values) / len(values), clustered_standard_error(values, clusters), tuple(values), clusters
            )
            for name, values in per_task.items()
        }

    def _pass_metrics(self, rewards: Sequence[Sequence[float]]) -> dict[str, list[float]]:
        from evaluators.pass_at_k import pass_at_k

        counts = [sum(reward >= 1.0 for reward in row) for row in rewards]
        at = {k: [float(pass_at_k(c, len(rewards[0]), k)) for c in counts] for k in PASS_AT}
        mean = [sum(at[k][i] for k in PASS_AT) / len(PASS_AT) for i in range(len(counts))]
        return {"mean_pass_at_k": mean, **{f"pass_at_{k}": values for k, values in at.items()}}

    def _sample(
        self, policy: Policy, tasks: Sequence[Task], seed: int, samples: int
    ) -> tuple[list[list[float]], list[Mapping[str, float]], Completions]:
        import torch

        from evaluators.sampling import (
            concatenate,
            decode_completions,
            encode_prompts,
            load_tokenizer,
            sample,
        )

        tokenizer = load_tokenizer(self.starting_policy())
        generator = torch.Generator(policy.device).manual_seed(seed % 2**63)
        at_once = SCORED_ROWS
        if self.given_policy:
            at_once = min(at_once, SAMPLING_BYTES // policy.row_bytes(LONGEST_PROMPT + self.max_tokens))
        batch = max(1, at_once // samples)
        parts = []
        for start in range(0, len(tasks), batch):
            prompts, mask = encode_prompts(
                tokenizer, [task.prompt for task in tasks[start : start + batch]], policy.config.pad_token_id
            )
            parts.append(
                sample(
                    policy, prompts, mask, samples=samples, max_tokens=self.max_tokens, generator=generator
                )
            )
        completions = concatenate(parts, policy.config.pad_token_id)
        texts = decode_completions(tokenizer, completions)
        rows = [texts[i * samples : (i + 1) * samples] for i in range(len(tasks))]
        rewards = [[self.reward(task, text) for text in row] for task, row in zip(tasks, rows, strict=True)]
        diagnoses = [self.diagnose(task, row) for task, row in zip(tasks, rows, strict=True)]
        return rewards, diagnoses, completions

    def _load(self, folder: Path) -> Policy:
        from evaluators.hugging_face import open_policy
        from evaluators.policy import PolicyFileError

        try:
            return open_policy(self.starting_policy(), trained=folder)
        except PolicyFileError as error:
            raise InvalidPolicy(str(error)) from error
