"""What the command says of a confirmation that is damaged, and of one that never opened the seal."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from agent.confirm import WRITTEN
from tests.agent.test_cli import a_run, refused


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("runs")
    a_run.build_run(runs / a_run.NAME)
    return runs


@pytest.mark.parametrize("damage", ["{}", '{"winner": 5}', '{"winner": {"seeds": []}}', "[]", '{"winner"'])
def test_a_damaged_confirmation_is_said_in_a_sentence(runs: Path, tmp_path: Path, damage: str) -> None:
    run = shutil.copytree(runs / a_run.NAME, tmp_path / "run")
    (run / "confirmation.json").write_text(damage)
    for verb in ("status", "log", "confirm"):
        assert "confirmation.json is damaged" in refused(verb, str(run))


def test_what_was_never_opened_is_not_called_confirmed(runs: Path, tmp_path: Path) -> None:
    run = shutil.copytree(runs / a_run.NAME, tmp_path / "run")
    nothing = {**a_run.confirmation(), **dict.fromkeys(WRITTEN), "frontier": []}
    (run / "confirmation.json").write_text(json.dumps(nothing))
    for arguments in ((), ("--reopen",)):
        assert "never opened" in refused("confirm", str(run), *arguments)
