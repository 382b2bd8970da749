"""The domain and a score of its shipped policy."""

from __future__ import annotations

import pytest
import torch

from environments.melody.environment import MelodyEnvironment


@pytest.fixture(scope="module")
def melodies() -> MelodyEnvironment:
    torch.set_num_threads(1)
    made = MelodyEnvironment()
    made.scored_tasks, made.seen_tasks = 72, 16
    return made
