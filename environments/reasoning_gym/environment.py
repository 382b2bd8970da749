"""The reasoning_gym domains: verifiable questions that are made by a procedure, one domain a dataset.

Owns spec and sizes; questions and their scores are in `datasets`, how a policy is scored in `language`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from environments.base import InvalidEnvironment, Split, Task
from environments.language import LanguageEnvironment, language_spec
from environments.language_defaults import budget_of
from environments.reasoning_gym.datasets import Dataset

LONGEST_ANSWERS = {"gcd": 5, "lcm": 6, "spell_backward": 11}
"""Datasets that the shipped policy was warm-started on -> characters of an answer, the end included."""
RECIPE_OF_SHIPPED = {"LEARNING_RATE": 6e-5, "STEPS": 150, "PROMPTS": 16, "SAMPLES": 8, "MINIBATCHES": 2}
RECIPE_OF_GIVEN = {"LEARNING_RATE": 1e-5, "STEPS": 50, "PROMPTS": 8, "SAMPLES": 8, "MINIBATCHES": 2}
ASKED_OF_GIVEN = "\nReply with the answer alone."
SPARE_TOKENS = 16
FEWEST_TOKENS, MOST_TOKENS = 32, 512


class ReasoningGym(LanguageEnvironment):
    """Answer the questions of one procedural dataset."""

    contract = 1
    recipe = RECIPE_OF_SHIPPED

    def __init__(self, dataset: str) -> None:
        """Raises InvalidEnvironment: there is no such dataset, or it cannot be researched."""
        self._dataset = Dataset(dataset)
        self.max_tokens = LONGEST_ANSWERS.get(dataset, FEWEST_TOKENS)
        self.spec = language_spec(
            f"reasoning_gym:{dataset}",
            f"Answer questions of {dataset}, a procedural dataset of reasoning-gym",
            max_tokens=self.max_tokens,
            recipe=self.recipe,
            version=f"1, reasoning-gym {self._dataset.version}",
            metric_meaning="mean of pass@k over k = 1, 2, 4, 8, 16 on questions never trained on (unbiased; "
            "an answer passes where the library scores it 1): it rises as training spends entropy and "
            "falls once entropy is gone",
            seconds_per_attempt=15.0,
        )

    def starting_policy(self) -> Path:
        if self._dataset.name not in LONGEST_ANSWERS:
            raise InvalidEnvironment(
                f"{self.spec.name} has no policy of its own: the shipped one knows "
                f"{', '.join(LONGEST_ANSWERS)}. Name a Hugging Face causal model with --policy FOLDER."
            )
        return Path(__file__).parent / "policy"

    def tasks(self, split: Split, seed: int, count: int) -> Sequence[Task]:
        tasks = self._dataset.tasks(split, seed, count)
        if not self.given_policy:
            return tasks
        return [replace(task, prompt=task.prompt + ASKED_OF_GIVEN) for task in tasks]

    def reward(self, task: Task, completion: str) -> float:
        return self._dataset.reward(task, completion)

    def diagnose(self, task: Task, completions: Sequence[str]) -> Mapping[str, float]:
        """Mean reward, and how many different answers the samples hold."""
        rewards = [self.reward(task, completion) for completion in completions]
        return {
            "mean_reward": sum(rewards) / len(rewards),
            "distinct_answers": float(len({completion.strip() for completion in completions})),
        }

    def _suit(self, parameters: int) -> None:
        """Fewer and longer completions: such a model is larger, and says more than the answer."""
        self.recipe = RECIPE_OF_GIVEN
        self.scored_tasks, self.scored_samples, self.seen_tasks = 128, 16, 32
        longest = self._dataset.longest_answer() + SPARE_TOKENS
        self.max_tokens = min(max(longest, FEWEST_TOKENS), MOST_TOKENS)
        self.spec = replace(self.spec, budget=budget_of(self.recipe, self.max_tokens))
        super()._suit(parameters)
