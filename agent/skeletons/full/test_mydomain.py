"""Run it with: python -m pytest test_mydomain.py"""

from __future__ import annotations

from pathlib import Path

from agent.adapter_check import look_at
from environments.base import Split
from environments.registry import load

HERE = str(Path(__file__).with_name("mydomain.py"))


def test_mydomain_keeps_the_contract() -> None:
    failed = [found for found in look_at(HERE, "quick") if found.outcome == "failed"]
    assert not failed, failed


def test_an_untrained_policy_knows_nothing() -> None:
    domain = load(HERE)
    assert domain.score(domain.starting_policy(), Split.SELECTION, 1).value < 0.8
