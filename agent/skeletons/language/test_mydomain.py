"""Run it with: python -m pytest test_mydomain.py"""

from __future__ import annotations

from pathlib import Path

from agent.adapter_check import look_at
from environments.base import Task
from environments.registry import load

HERE = str(Path(__file__).with_name("mydomain.py"))


def test_mydomain_keeps_the_contract() -> None:
    failed = [found for found in look_at(HERE, "quick") if found.outcome == "failed"]
    assert not failed, failed


def test_reward_tells_right_from_wrong() -> None:
    domain = load(HERE)
    task = Task("CD 1 2 3 7 50 >", "1-2-3-7")
    assert domain.reward(task, "3 + 7 10") == 1.0  # type: ignore[attr-defined]
    assert domain.reward(task, "3 + 7 11") == 0.0  # type: ignore[attr-defined]
