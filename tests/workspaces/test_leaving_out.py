"""A change is taken out of what came after it, or it is said that it cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from workspaces.git_command import GitCommand
from workspaces.leaving_out import without

BASE = {"recipe.py": "RATE = 1\n\nSTEPS = 2\n\nSAMPLES = 3\n\nBONUS = 0\n"}


@pytest.fixture
def git(tmp_path: Path) -> GitCommand:
    git = GitCommand(tmp_path / "repository")
    git.run("init", "--quiet", "--bare")
    return git


def changed(files: dict[str, str], old: str, new: str) -> dict[str, str]:
    assert old in files["recipe.py"]
    return {**files, "recipe.py": files["recipe.py"].replace(old, new)}


def test_an_earlier_change_is_taken_out_and_later_ones_stay(git: GitCommand) -> None:
    first = changed(BASE, "RATE = 1", "RATE = 5")
    second = changed(first, "BONUS = 0", "BONUS = 7")
    assert without(second, first, BASE, git) == changed(BASE, "BONUS = 0", "BONUS = 7")
    assert without(second, second, first, git) == first


def test_what_later_changes_build_on_cannot_be_taken_out(git: GitCommand) -> None:
    first = changed(BASE, "RATE = 1", "RATE = 5")
    second = changed(first, "RATE = 5", "RATE = 6")
    assert without(second, first, BASE, git) is None


def test_a_file_that_was_added_goes_unless_it_was_changed_since(git: GitCommand) -> None:
    first = {**BASE, "bonus.py": "BONUS = 1\n"}
    later = changed(first, "STEPS = 2", "STEPS = 4")
    assert without(later, first, BASE, git) == changed(BASE, "STEPS = 2", "STEPS = 4")
    assert without({**later, "bonus.py": "BONUS = 2\n"}, first, BASE, git) is None
