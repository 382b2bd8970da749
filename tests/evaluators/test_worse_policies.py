"""Policies that are known to be worse: what of the weights is left, and that one answer is really learned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from environments.base import Split
from environments.registry import load
from evaluators.policy import load_policy
from evaluators.sampling import decode_completions, encode_prompts, load_tokenizer, sample
from evaluators.worse_policies import (
    WEIGHTS_FILE,
    CannotDegrade,
    emptied,
    noised,
    of_one_answer,
    shuffled,
)

COUNTDOWN = load("countdown")
START = COUNTDOWN.starting_policy()


def test_a_shuffled_policy_has_the_same_weights_in_another_order(tmp_path: Path) -> None:
    before, after = (
        load_file(folder / WEIGHTS_FILE) for folder in (START, shuffled(START, tmp_path, seed=1))
    )
    for name, values in before.items():
        assert np.array_equal(np.sort(values, axis=None), np.sort(after[name], axis=None))
    assert any(not np.array_equal(before[name], after[name]) for name in before)
    load_policy(tmp_path)


def test_noise_has_the_size_that_is_asked_for_and_follows_the_seed(tmp_path: Path) -> None:
    before = load_file(START / WEIGHTS_FILE)
    once, again = (noised(START, tmp_path / name, scale=2.0, seed=3) for name in ("a", "b"))
    first, second = load_file(once / WEIGHTS_FILE), load_file(again / WEIGHTS_FILE)
    largest = max(before, key=lambda name: before[name].size)
    assert np.array_equal(first[largest], second[largest])
    ratio = np.std(first[largest] - before[largest]) / np.std(before[largest])
    assert ratio == pytest.approx(2.0, rel=0.05)


def test_an_emptied_policy_can_be_loaded(tmp_path: Path) -> None:
    policy = load_policy(emptied(START, tmp_path))
    assert all(not bool(weight.any()) for weight in policy.state_dict().values())


def test_weights_that_are_no_tensors_are_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / WEIGHTS_FILE).write_text("{}")
    with pytest.raises(CannotDegrade, match="holds no tensors"):
        emptied(tmp_path, tmp_path / "out")


@pytest.mark.slow
def test_a_policy_learns_to_give_one_answer_whatever_is_asked(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    tokenizer, policy = load_tokenizer(START), load_policy(START)
    prompts = [task.prompt for task in COUNTDOWN.tasks(Split.TRAINING, 1, 64)]  # type: ignore[attr-defined]
    assert of_one_answer(policy, tokenizer, prompts, "1 + 2 = 3", tmp_path, seed=0) < 0.05
    ids, mask = encode_prompts(tokenizer, prompts[:16], policy.config.pad_token_id)
    drawn = sample(
        load_policy(tmp_path),
        ids,
        mask,
        samples=4,
        max_tokens=13,
        generator=torch.Generator().manual_seed(0),
    )
    said = decode_completions(tokenizer, drawn)
    assert max(said.count(text) for text in set(said)) >= 0.9 * len(said)
