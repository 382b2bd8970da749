"""What `--policy` promises to a run: recorded, told, part of every key, and never swapped underneath."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from agent.announcement import describe
from agent.measurement_keys import policy_hash
from agent.opening import environment_of
from agent.settings import RunSettings
from environments import registry
from environments.base import InvalidEnvironment, SzilardError
from tests.agent.a_plan import planned
from tests.evaluators.a_foreign_policy import make


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("qwen"))


def test_the_policy_and_its_hash_are_recorded_and_told(folder: Path, tmp_path: Path) -> None:
    settings = planned(tmp_path, policy=folder)
    settings.write(tmp_path)
    again = RunSettings.read(tmp_path)
    assert again.policy == str(folder)
    assert again.policy_hash == policy_hash(registry.load("countdown", str(folder)))
    assert again.policy_hash != policy_hash(registry.load("countdown"))
    assert f"Policy: {folder}" in describe(again)
    assert planned(tmp_path).policy is None


def test_a_run_does_not_go_on_with_another_model_in_the_place_of_its_own(
    folder: Path, tmp_path: Path
) -> None:
    settings = planned(tmp_path, policy=folder)
    assert environment_of(tmp_path, settings).starting_policy() == folder
    before = (folder / "model.safetensors").read_bytes()
    weights = load_file(folder / "model.safetensors")
    save_file(
        {name: torch.zeros_like(w) for name, w in weights.items()},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    try:
        with pytest.raises(SzilardError, match="made with another policy"):
            environment_of(tmp_path, settings)
    finally:
        (folder / "model.safetensors").write_bytes(before)


def test_an_attempt_may_take_longer_with_a_larger_policy(folder: Path) -> None:
    small = registry.load("countdown", str(folder))
    assert small.spec.seconds_per_attempt == registry.load("countdown").spec.seconds_per_attempt
    large = registry.load("countdown")
    large._suit(parameters=135_000_000)
    assert large.spec.seconds_per_attempt > 1000
    assert replace(large.spec, seconds_per_attempt=0) == replace(small.spec, seconds_per_attempt=0)


def test_a_policy_that_is_none_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidEnvironment, match=r"has no config.json: it is no Hugging Face model"):
        planned(tmp_path, policy=tmp_path / "empty")
