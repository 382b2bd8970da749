"""The countdown domain: a verifiable reward, held-out number multisets, a very small policy.

Owns the spec and the diagnostics; the rules of the game are in `arithmetic`, scoring in `language`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from environments.base import EnvironmentSpec, Guard, Split, Task
from environments.countdown.arithmetic import canonical, check, draw_tasks, read_prompt
from environments.language import LanguageEnvironment
from environments.language_defaults import PASS_METRICS


class Countdown(LanguageEnvironment):
    """Reach a target from four numbers in at most three steps of +, - and *."""

    contract = 1
    max_tokens = 13
    spec = EnvironmentSpec(
        name="countdown",
        version="1",
        description="Reach a target from four numbers in at most three steps of exact arithmetic",
        metric="mean_pass_at_k",
        metric_meaning="mean of pass@k over k = 1, 2, 4, 8, 16 on number multisets never trained on "
        "(unbiased, 32 samples a task): it rises as training spends entropy and falls once entropy is gone",
        direction="maximise",
        range=(0.0, 1.0),
        metrics=PASS_METRICS,
        guards=(Guard("pass_at_1", 0.02),),
        editable=("recipe.py", "entropy_control.py", "controls/*.py"),
        protected=("train.py", "session.py", "README.md"),
        train_command=("python", "train.py"),
        budget={"tokens": 150 * 16 * 8 * 13, "updates": 150 * 2},
        seconds_per_attempt=12.0,
        seeds=12,
    )

    def starting_policy(self) -> Path:
        return Path(__file__).parent / "policy"

    def tasks(self, split: Split, seed: int, count: int) -> Sequence[Task]:
        return draw_tasks(split, seed, count)

    def reward(self, task: Task, completion: str) -> float:
        numbers, target = read_prompt(task.prompt)
        return float(check(numbers, completion) == target)

    def diagnose(self, task: Task, completions: Sequence[str]) -> Mapping[str, float]:
        """Share of legal derivations, and how many different right answers the samples hold."""
        numbers, target = read_prompt(task.prompt)
        ends = [check(numbers, completion) for completion in completions]
        right = {canonical(text) for text, end in zip(completions, ends, strict=True) if end == target}
        legal = sum(end is not None for end in ends)
        return {"validity": legal / len(ends), "distinct_correct": float(len(right))}
