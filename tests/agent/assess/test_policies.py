"""Which policies an assessment makes of a domain's own."""

from __future__ import annotations

from pathlib import Path

from agent.assess.policies import constant_answer
from environments.registry import load
from tests.evaluators.a_foreign_policy import make


def test_no_constant_answer_is_made_of_an_architecture_that_is_not_ours(tmp_path: Path) -> None:
    folder = make(tmp_path / "qwen")
    assert constant_answer(load("countdown", str(folder)), folder, tmp_path / "made", 0) == {}
