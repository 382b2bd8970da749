"""An assessment is found again as long as nothing of its domain has changed."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from agent.assess.record import content_hash
from tests.environments.an_adapter import GOOD


def test_rules_in_a_module_beside_the_domain_are_part_of_what_was_assessed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "szilard_pack_of_a_test"
    package.mkdir()
    (package / "domain.py").write_text(GOOD)
    (package / "rules.py").write_text("BAR = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    domain = importlib.import_module("szilard_pack_of_a_test.domain").Mine()
    before = content_hash(domain)
    assert content_hash(domain) == before
    (package / "rules.py").write_text("BAR = 2\n")
    assert content_hash(domain) != before
