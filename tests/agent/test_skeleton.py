"""`szilard env new` writes what works as it is, and overwrites nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agent.skeleton import CannotBegin, Kind, write_skeleton


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "file"), [("language", "py"), ("full", "py"), ("command", "toml")])
def test_a_skeleton_passes_its_own_test(tmp_path: Path, kind: Kind, file: str) -> None:
    if kind == "command":
        pytest.importorskip("environments.command.environment")
    written = write_skeleton("my_first", kind, tmp_path)
    assert written[0] == tmp_path / f"my_first.{file}"
    command = [sys.executable, "-P", "-m", "pytest", "-q", "test_my_first.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("kind", ["language", "full", "command"])
def test_a_file_that_is_there_is_never_overwritten(tmp_path: Path, kind: Kind) -> None:
    kept = tmp_path / "test_mine.py"
    kept.write_text("mine")
    with pytest.raises(CannotBegin, match=r"test_mine.py exists already, and nothing was written"):
        write_skeleton("mine", kind, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["test_mine.py"]
    assert kept.read_text() == "mine"


@pytest.mark.parametrize(
    "name",
    [
        *("", "Mine", "my-domain", "1st", "../mine", "a" * 41, "countdown", "reasoning_gym"),
        *("class", "none", "random", "torch", "task", "language_environment"),
    ],
)
def test_a_name_that_is_none_or_taken_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(CannotBegin):
        write_skeleton(name, "language", tmp_path)
    assert not any(tmp_path.iterdir())


def test_nothing_of_the_placeholder_is_left(tmp_path: Path) -> None:
    written = write_skeleton("my_first", "full", tmp_path)
    assert "class MyFirst(Environment)" in written[0].read_text()
    for path in written:
        assert b"mydomain" not in path.read_bytes().lower()
