"""The short way to a domain: tasks with a prompt and a reward; scoring and diagnostics are inherited.

Owns how a language policy is scored: draws samples outside the sandbox and turns rewards into metrics.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from functools import partial
from numbers import Real
from pathlib import Path
from types import MappingProxyType
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
from environments.blame import file_of, place_of, place_of_error, raised
from environments.frontier import frontier_of
from environments.language_defaults import (
    MAX_TOKENS,
    PASS_AT,
    RECIPE,
    TEMPLATES,
    language_spec,
    policy_folder,
    recipe_with,
)
from evaluators.clustered import clustered_standard_error

if TYPE_CHECKING:
    from evaluators.policy import Policy
    from evaluators.sampling import Completions

__all__ = ["LanguageEnvironment", "language_spec"]

SCORED_ROWS = 8192
SNAPSHOT_STRIDE, SNAPSHOT_SAMPLES = 5, 16
SAMPLING_BYTES, LONGEST_PROMPT = 2 * 2**30, 256
OPERATIONS_OF_A_TOKEN, OPERATIONS_A_SECOND = 16, 2e10


def _mean(rewards: Sequence[Sequence[float]]) -> float:
    return sum(map(sum, rewards)) / sum(map(len, rewards))


class LanguageEnvironment(Environment):
    """A domain of prompts and rewards. Give `spec`, `tasks` and `reward`.

    `policy` names the starting policy: that of a built-in domain, or a folder beside the adapter's file.
    `recipe` are constants of the template's recipe.py that this domain sets otherwise, such as STEPS.
    `given_policy` says that it starts from a policy that it was given, and not from its own.
    `temperature` is that of scoring: 1 but where the assessment asks how the score answers to entropy.
    """

    policy: str | Path = "countdown"
    recipe: Mapping[str, float] = MappingProxyType({})
    max_tokens: int = MAX_TOKENS
    temperature: float = 1.0
    scored_tasks: int = 512
    scored_samples: int = 32
    seen_tasks: int = 128
    given_policy: bool = False
    _sealed: tuple[int, Sequence[Task]] | None = None

    @abstractmethod
    def tasks(self, split: Split, seed: int, count: int) -> Sequence[Task]:
        """`count` tasks of a split, a function of the seed; splits share no cluster."""

    @abstractmethod
    def reward(self, task: Task, completion: str) -> float:
        """1.0 for a right completion, 0.0 for a wrong one, or what lies between."""

    def drawn(self, split: Split, seed: int, count: int) -> Sequence[Task]:
        """What `tasks` gives.

        Raises:
            InvalidEnvironment: it raised, or gave something else; names file and line.
        """
        try:
            tasks = self.tasks(split, seed, count)
        except InvalidEnvironment:
            raise
        except Exception as error:
            raise self._broken("tasks", f"raised {raised(error)}", error) from error
        if not isinstance(tasks, Sequence) or not all(isinstance(task, Task) for task in tasks):
            raise self._broken("tasks", "must return a list of Task")
        if not tasks:
            raise self._broken("tasks", f"was asked for {count} {split} tasks and returned none")
        return tasks

    def rewarded(self, task: Task, completion: str) -> float:
        """What `reward` gives.

        Raises:
            InvalidEnvironment: it raised, or gave something else than 0 to 1; names file and line.
        """
        try:
            reward = self.reward(task, completion)
        except InvalidEnvironment:
            raise
        except Exception as error:
            told = f"raised {raised(error)} on completion {completion[:60]!r} of prompt {task.prompt[:60]!r}"
            raise self._broken("reward", told, error) from error
        if not isinstance(reward, Real) or not 0.0 <= reward <= 1.0:
            raise self._broken(
                "reward", f"returned {reward!r} on {completion[:60]!r}, not a number of 0 to 1"
            )
        return float(reward)

    def _broken(self, method: str, told: str, error: Exception | None = None) -> InvalidEnvironment:
        where = place_of_error(error, file_of(self)) if error is not None else None
        return InvalidEnvironment(f"{where or place_of(getattr(type(self), method))}: {method}() {told}.")

    def starting_policy(self) -> Path:
        return policy_folder(self.policy, (file_of(self) or Path()).parent)

    def task_metrics(
        self, task: Task, completions: Sequence[str], rewards: Sequence[float]
    ) -> Mapping[str, float]:
        """The metrics of one task by name, from its samples and what each earned: pass@k and its mean."""
        from evaluators.pass_at_k import pass_at_k

        right = sum(reward >= 1.0 for reward in rewards)
        at = {f"pass_at_{k}": pass_at_k(right, len(rewards), k) for k in PASS_AT}
        found = {"mean_pass_at_k": sum(at.values()) / len(at), **at}
        return {**found, "mean_reward": _mean([rewards])} if "mean_reward" in self.spec.metrics else found

    def diagnose(self, task: Task, completions: Sequence[str]) -> Mapping[str, float]:
        """Further figures of one task's samples; no verdict is made of them."""
        return {}

    def workspace_template(self) -> Mapping[str, Path]:
        """The GRPO template with this domain's `recipe`, and the shared controls."""
        template = {path.name: path for path in sorted((TEMPLATES / "grpo").glob("*.*"))}
        if self.recipe:
            template[RECIPE.name] = recipe_with(self.recipe)
        controls = {f"controls/{p.name}": p for p in sorted((TEMPLATES / "controls").glob("*.py"))}
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
        recipe = self.workspace_template()[RECIPE.name].read_text()
        return frontier_of(RECIPE.name, recipe, (winner or {}).get(RECIPE.name, ""))

    def at_temperature(self, temperature: float, *, tasks: int, samples: int) -> LanguageEnvironment:
        domain = copy.copy(self)
        domain.temperature, domain.scored_tasks, domain.scored_samples = temperature, tasks, samples
        return domain

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
            tasks = self.drawn(split, seed, self.scored_tasks)
        metrics, earned = self._metrics(loaded, tasks, seed, self.scored_samples)
        seen = self.drawn(Split.TRAINING, seed, self.seen_tasks)
        _, rewards, _ = self._sample(loaded, seen, seed + 1, 8)
        metrics["seen_gap"] = Metric(_mean(rewards) - earned)
        return Score(self.spec.metric, metrics)

    def score_snapshot(self, policy: Path, seed: int) -> Score:
        tasks = self.drawn(Split.SELECTION, seed, self.scored_tasks)[::SNAPSHOT_STRIDE]
        metrics, _ = self._metrics(self._load(policy), tasks, seed, SNAPSHOT_SAMPLES)
        return Score(self.spec.metric, metrics)

    def _metrics(
        self, loaded: Policy, tasks: Sequence[Task], seed: int, samples: int
    ) -> tuple[dict[str, Metric], float]:
        """All metrics, and the mean reward of a sample."""
        texts, rewards, completions = self._sample(loaded, tasks, seed, samples)
        clusters = tuple(task.cluster for task in tasks)
        mask = completions.mask
        entropies = (completions.entropies * mask).sum(1) / mask.sum(1)
        rows = [
            {
                **self.task_metrics(task, answers, earned),
                "entropy": entropy,
                "response_length": length,
                **self.diagnose(task, answers),
            }
            for task, answers, earned, entropy, length in zip(
                tasks,
                texts,
                rewards,
                entropies.view(len(tasks), -1).mean(1).tolist(),
                mask.sum(1).view(len(tasks), -1).float().mean(1).tolist(),
                strict=True,
            )
        ]
        per_task = {name: [row[name] for row in rows] for name in rows[0]}
        metrics = {
            name: Metric(
                sum(values) / len(values), clustered_standard_error(values, clusters), tuple(values), clusters
            )
            for name, values in per_task.items()
        }
        return metrics, _mean(rewards)

    def _sample(
        self, policy: Policy, tasks: Sequence[Task], seed: int, samples: int
    ) -> tuple[list[list[str]], list[list[float]], Completions]:
        """Completions, and of every task the texts and what each earned."""
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
                    policy,
                    prompts,
                    mask,
                    samples=samples,
                    max_tokens=self.max_tokens,
                    generator=generator,
                    temperature=self.temperature,
                )
            )
        completions = concatenate(parts, policy.config.pad_token_id)
        texts = decode_completions(tokenizer, completions)
        rows = [texts[i * samples : (i + 1) * samples] for i in range(len(tasks))]
        rewards = [[self.rewarded(task, text) for text in row] for task, row in zip(tasks, rows, strict=True)]
        return rows, rewards, completions

    def _load(self, folder: Path) -> Policy:
        from evaluators.hugging_face import open_policy
        from evaluators.policy import PolicyFileError

        try:
            return open_policy(self.starting_policy(), trained=folder)
        except PolicyFileError as error:
            raise InvalidPolicy(str(error)) from error
