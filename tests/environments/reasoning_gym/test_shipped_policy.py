"""The shipped policy: small, undecided, and made without a held-out question."""

from __future__ import annotations

import random
from itertools import islice
from pathlib import Path

import pytest

from environments import registry
from environments.base import Split
from environments.language import TEMPLATES
from environments.reasoning_gym.datasets import Dataset, cell_of, split_of
from environments.reasoning_gym.environment import LONGEST_ANSWERS, RECIPE_OF_GIVEN, RECIPE_OF_SHIPPED
from environments.reasoning_gym.warm_start import WORDINGS, demonstrations, make_tokenizer
from evaluators.policy import load_policy
from evaluators.sampling import load_tokenizer
from tests.environments.a_training import train
from tests.evaluators.a_foreign_policy import make

pytest.importorskip("reasoning_gym", reason="needs pip install 'szilard[reasoning-gym]'")


def test_it_is_small() -> None:
    folder = registry.load("reasoning_gym:gcd").starting_policy()
    assert sum(weight.numel() for weight in load_policy(folder).parameters()) <= 300_000
    assert (folder / "model.safetensors").stat().st_size < 2**21


def test_no_demonstration_of_the_warm_start_is_a_held_out_question() -> None:
    shown = [prompt for prompt, _ in islice(demonstrations(random.Random(0)), 7000)]
    assert {split_of(cell_of(prompt)) for prompt in shown} == {Split.TRAINING}
    held_out = {
        task.prompt
        for name in LONGEST_ANSWERS
        for split in (Split.SELECTION, Split.CONFIRMATION)
        for task in Dataset(name).tasks(split, 0, 200)
    }
    assert not held_out & set(shown)


@pytest.mark.parametrize("name", LONGEST_ANSWERS)
def test_questions_and_answers_survive_the_tokenizer(name: str) -> None:
    domain = registry.load(f"reasoning_gym:{name}")
    tokenizer = load_tokenizer(domain.starting_policy())
    assert tokenizer.to_str() == make_tokenizer().to_str(), "the shipped tokenizer is the one of warm_start"
    for task in Dataset(name).tasks(Split.SELECTION, 0, 50):
        encoded = tokenizer.encode(task.prompt)
        assert tokenizer.token_to_id("<pad>") not in encoded.ids, "a character that the policy does not know"
        assert not any(wording in tokenizer.decode(encoded.ids) for wording in WORDINGS)
        answer = tokenizer.encode(task.entry["answer"]).ids
        assert len(answer) < domain.max_tokens
        assert tokenizer.decode(answer) == task.entry["answer"]


def test_recipes_name_only_constants_of_the_shared_recipe() -> None:
    shared = (TEMPLATES / "grpo" / "recipe.py").read_text()
    for constants in (RECIPE_OF_SHIPPED, RECIPE_OF_GIVEN):
        for name in constants:
            assert f"\n{name} = " in shared, name


@pytest.mark.slow
def test_it_is_undecided_and_a_training_makes_it_better(tmp_path: Path) -> None:
    domain = registry.load("reasoning_gym:gcd")
    domain.scored_tasks, domain.seen_tasks = 128, 8
    before = domain.score(domain.starting_policy(), Split.SELECTION, 0)
    assert 0.1 < before.metrics["pass_at_1"].value < 0.7
    trace = train(tmp_path, domain, {"STEPS": 60}, given_policy=False)
    after = domain.score(tmp_path / "out" / "policy", Split.SELECTION, 0)
    assert after.metrics["pass_at_1"].value > before.metrics["pass_at_1"].value + 0.05
    assert after.metrics["entropy"].value < before.metrics["entropy"].value
    assert len(trace) == 60


@pytest.mark.slow
def test_a_given_policy_learns_a_step_and_is_scored(tmp_path: Path) -> None:
    """A tiny random Qwen2, through transformers, on a dataset that the shipped policy does not know."""
    folder = make(tmp_path / "qwen2")
    domain = registry.load("reasoning_gym:chain_sum", str(folder))
    trace = train(tmp_path / "root", domain, {"STEPS": 1, "PROMPTS": 2, "SAMPLES": 2}, given_policy=True)
    assert len(trace) == 1
    assert trace[0]["tokens"] > 0
    domain.scored_tasks, domain.seen_tasks = 2, 2
    score = domain.score(tmp_path / "root" / "out" / "policy", Split.SELECTION, 0)
    assert score.metrics["entropy"].value > 0
