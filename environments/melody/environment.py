"""The melody domain: many answers are right, and a good policy knows many of them.

Owns the spec and the figures of one task's samples; the rules are in `music`, quality and likeness in
`taste`, scoring in `language`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from environments.base import Guard, Split, Task
from environments.language import LanguageEnvironment, language_spec
from environments.melody.music import (
    LENGTH,
    OPENING,
    Melody,
    broken_rules,
    draw_tasks,
    intervals_of,
    read_melody,
    read_prompt,
)
from environments.melody.taste import FINE, likeness, taste

RECIPE = {"LEARNING_RATE": 5e-4, "STEPS": 40, "PROMPTS": 16, "SAMPLES": 16, "MINIBATCHES": 2}
BEST_OF = 8
VALID_EARNS = 0.3


class MelodyEnvironment(LanguageEnvironment):
    """Continue an opening of three notes to a melody of twelve, in as many good ways as possible."""

    contract = 1
    max_tokens = LENGTH - OPENING + 1
    scored_tasks = 192
    seen_tasks = 64
    recipe: Mapping[str, float] = RECIPE
    spec = language_spec(
        "melody",
        "Continue openings of three notes to melodies of twelve, valid, good and different",
        max_tokens=max_tokens,
        recipe=RECIPE,
        metric="fine_diversity",
        metric_meaning="mean over openings never trained on of the Vendi score of the fine ones of 32 "
        "melodies, over 32; fine ones break no rule and reach a fixed bar of taste: neither sameness "
        "nor noise pays",
        metrics=(
            "fine_diversity",
            "diversity",
            "distinct_fine",
            "fine",
            "reward",
            "best_of_8",
            "validity",
            "distinct_bigrams",
        ),
        guards=(Guard("reward", 0.03),),
        seconds_per_attempt=8.0,
        effect_of_interest=0.0075,
    )

    def starting_policy(self) -> Path:
        return Path(__file__).parent / "policy"

    def tasks(self, split: Split, seed: int, count: int) -> Sequence[Task]:
        return draw_tasks(split, seed, count)

    def reward(self, task: Task, completion: str) -> float:
        """0 for a melody that breaks a rule, else 0.3 to 1 by its taste."""
        melody = self._valid(task, completion)
        return 0.0 if melody is None else VALID_EARNS + (1 - VALID_EARNS) * taste(melody)

    def task_metrics(
        self, task: Task, completions: Sequence[str], rewards: Sequence[float]
    ) -> Mapping[str, float]:
        from evaluators.diversity import distinct_n, gated_diversity
        from evaluators.pass_at_k import best_of_k

        melodies = [melody for text in completions if (melody := self._valid(task, text)) is not None]
        tastes = {melody: taste(melody) for melody in melodies}
        fine = [melody for melody in melodies if tastes[melody] >= FINE]
        samples = len(completions)
        return {
            "fine_diversity": gated_diversity(likeness(fine), samples) if fine else 0.0,
            "diversity": gated_diversity(likeness(melodies), samples) if melodies else 0.0,
            "distinct_fine": len(set(fine)) / samples,
            "fine": len(fine) / samples,
            "reward": sum(rewards) / samples,
            f"best_of_{BEST_OF}": best_of_k(rewards, BEST_OF),
            "validity": len(melodies) / samples,
            "distinct_bigrams": distinct_n([intervals_of(melody) for melody in melodies], 2) or 0.0,
        }

    def _valid(self, task: Task, completion: str) -> Melody | None:
        scale, opening = read_prompt(task.prompt)
        melody = read_melody(opening, completion)
        return melody if melody is not None and not broken_rules(scale, melody) else None
