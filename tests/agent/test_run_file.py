from __future__ import annotations

import json
from pathlib import Path

from agent.run_file import read_as_written
from agent.settings import RunSettings
from tests.agent.a_plan import planned


def test_what_was_written_is_read_without_being_checked_again(tmp_path: Path) -> None:
    settings = planned(tmp_path, minutes=1.5)
    settings.write(tmp_path)
    assert read_as_written(tmp_path) == settings.model_dump(mode="json")
    assert RunSettings.read(tmp_path) == settings


def test_an_edited_file_has_to_be_checked(tmp_path: Path) -> None:
    planned(tmp_path).write(tmp_path)
    path = tmp_path / "run.json"
    edited = json.loads(path.read_text()) | {"seeds": 3}
    path.write_text(json.dumps(edited))
    assert read_as_written(tmp_path) is None
    assert RunSettings.read(tmp_path).seeds == 3
