"""The domain and a score of its shipped policy."""

from __future__ import annotations

import pytest
import torch

from environments.countdown.environment import Countdown


@pytest.fixture(scope="module")
def domain() -> Countdown:
    torch.set_num_threads(1)
    made = Countdown()
    made.scored_tasks, made.seen_tasks = 144, 32
    return made
