"""The domain's recipe is the shared template at its own constants, and a training with it learns."""

from __future__ import annotations

from pathlib import Path

import pytest

from environments.base import Split
from environments.language import TEMPLATES
from environments.melody.environment import MelodyEnvironment
from environments.melody.warm_start import WORDS
from evaluators.sampling import load_tokenizer
from tests.environments.a_training import train


def test_recipe_differs_from_the_template_in_the_domains_constants_alone() -> None:
    domain = MelodyEnvironment()
    shared = (TEMPLATES / "grpo" / "recipe.py").read_text().splitlines()
    own = domain.workspace_template()["recipe.py"].read_text().splitlines()
    changed = [new for old, new in zip(shared, own, strict=True) if old != new]
    assert changed
    assert {line.split(" = ")[0] for line in changed} <= set(domain.recipe)
    constants = dict(line.split(" = ", 1) for line in own if " = " in line)
    assert {name: float(constants[name]) for name in domain.recipe} == domain.recipe


def test_budget_is_what_the_recipe_spends() -> None:
    domain = MelodyEnvironment()
    spent = domain.recipe
    samples = spent["STEPS"] * spent["PROMPTS"] * spent["SAMPLES"]
    assert domain.spec.budget == {
        "tokens": samples * domain.max_tokens,
        "updates": spent["STEPS"] * spent["MINIBATCHES"],
    }


def test_shipped_policy_is_small_and_knows_every_word_of_the_domain() -> None:
    folder = MelodyEnvironment().starting_policy()
    assert (folder / "model.safetensors").stat().st_size < 1_000_000
    assert load_tokenizer(folder).get_vocab() == {word: index for index, word in enumerate(WORDS)}


@pytest.mark.slow
def test_a_training_learns_to_sing_better_and_spends_entropy(
    melodies: MelodyEnvironment, tmp_path: Path
) -> None:
    train(tmp_path, melodies, {})
    before, after = (
        melodies.score(folder, Split.SELECTION, seed=3).metrics
        for folder in (melodies.starting_policy(), tmp_path / "out" / "policy")
    )
    assert after["validity"].value > before["validity"].value + 0.2
    assert after["reward"].value > before["reward"].value + 0.15
    assert after["fine_diversity"].value > before["fine_diversity"].value * 1.1
    assert after["entropy"].value < before["entropy"].value - 0.3
    assert after["diversity"].value < after["validity"].value
