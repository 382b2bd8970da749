"""The domain on few passages, and policies of a permitted shape in a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from environments.language_model.environment import LanguageModel
from environments.language_model.shape import config_of
from evaluators.policy import Policy, save_policy

Save = Callable[..., Path]


@pytest.fixture(scope="module")
def domain() -> LanguageModel:
    torch.set_num_threads(1)
    made = LanguageModel()
    made.scored_tasks = 32
    return made


@pytest.fixture
def saved(tmp_path: Path) -> Save:
    """Writes a policy of a shape, at random weights that `change` may change."""

    def save(change: Callable[[Policy], Any] = lambda _: None, **shape: Any) -> Path:
        torch.manual_seed(0)
        policy = Policy(config_of(**{"width": 16, "layers": 1, "heads": 2, "feed_forward": 16, **shape}))
        with torch.no_grad():
            change(policy)
        save_policy(policy, tmp_path / "policy")
        return tmp_path / "policy"

    return save
