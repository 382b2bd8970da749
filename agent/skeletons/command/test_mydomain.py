"""Run it with: python -m pytest test_mydomain.py"""

from __future__ import annotations

from pathlib import Path

from agent.adapter_check import look_at

HERE = str(Path(__file__).with_name("mydomain.toml"))


def test_mydomain_keeps_the_contract() -> None:
    failed = [found for found in look_at(HERE, "quick") if found.outcome == "failed"]
    assert not failed, failed
