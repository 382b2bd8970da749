"""mydomain: combine four numbers so that the result is a multiple of ten.

Replace what `tasks` asks and what `reward` pays for, then: szilard env check ./mydomain.py --quick
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from environments.base import Split, Task, split_of
from environments.countdown.arithmetic import check, read_prompt
from environments.language import LanguageEnvironment, language_spec


class MyDomain(LanguageEnvironment):
    """One class a file. What is not said here is the default of `language_spec` and LanguageEnvironment."""

    contract = 1  # the version of the contract that this was written for

    # The policy that every attempt starts from: that of a built-in domain, or a folder beside this file.
    policy = "countdown"
    max_tokens = 13  # length of a completion, its end token included

    # Constants of the training recipe. Fewer steps make an attempt cheaper: 150 are usual.
    recipe = {"STEPS": 16, "LEARNING_RATE": 1e-3}  # noqa: RUF012

    spec = language_spec(
        "mydomain",
        "End on a multiple of ten",
        version="1",  # raise it when tasks or rewards change: old scores are then not compared with new ones
        max_tokens=max_tokens,
        recipe=recipe,
    )
    scored_tasks = 128  # held-out tasks of a score; more make it surer and slower
    scored_samples = 16  # completions drawn for each, at least 16

    def tasks(self, split: Split, seed: int, count: int) -> Sequence[Task]:
        """`count` different prompts. Everything random comes from `seed`; splits share no cluster."""
        rng = random.Random(f"{split}:{seed}")
        found: dict[str, Task] = {}
        while len(found) < count:
            numbers = [rng.randint(1, 10) for _ in range(4)]
            cluster = "-".join(map(str, sorted(numbers)))  # prompts that teach each other share a cluster
            if split_of(cluster) is split:
                prompt = f"CD {' '.join(map(str, numbers))} {rng.randint(1, 99)} >"
                found[prompt] = Task(prompt, cluster)
        return list(found.values())

    def reward(self, task: Task, completion: str) -> float:
        """1.0 for right, 0.0 for wrong, whatever the completion is. The same in, the same out."""
        numbers, _ = read_prompt(task.prompt)
        result = check(numbers, completion)
        return float(result is not None and result % 10 == 0)
