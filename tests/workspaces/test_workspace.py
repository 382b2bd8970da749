"""A work tree holds exactly the commit that was asked for, whatever happened to it before."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from workspaces.ledger import Ledger, LedgerError
from workspaces.workspace import Workspace


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    source = tmp_path / "template.py"
    source.write_text("STEPS = 100\n")
    files = {"recipe.py": source, "controls/clip.py": source}
    made = Ledger.create(tmp_path / "repository", files, message="Baseline")
    made.commit_code(
        1,
        "baseline",
        0,
        {"recipe.py": "STEPS = 1\n", "new.py": "A = 1\n"},
        hypothesis="One",
        mechanism="m",
        researcher="r",
        predicted_score_change=0.0,
        predicted_entropy=0.0,
    )
    return made


@pytest.fixture
def workspace(ledger: Ledger, tmp_path: Path) -> Workspace:
    made = Workspace(ledger, tmp_path / "worktrees" / "1")
    made.checkout("baseline")
    return made


def contents(path: Path) -> dict[str, str]:
    files = (file for file in path.rglob("*") if file.is_file() and file.name != ".git")
    return {file.relative_to(path).as_posix(): file.read_text() for file in files}


def test_a_checkout_holds_exactly_the_commit(ledger: Ledger, workspace: Workspace) -> None:
    assert contents(workspace.path) == ledger.files("baseline")
    workspace.checkout("attempts/0001")
    assert contents(workspace.path) == ledger.files("attempts/0001")
    workspace.checkout("baseline")
    assert contents(workspace.path) == ledger.files("baseline")


def test_what_training_leaves_is_named_and_then_gone(ledger: Ledger, workspace: Workspace) -> None:
    recipe = workspace.path / "recipe.py"
    state = recipe.stat()
    recipe.write_text("STEPS = 999\n"[: state.st_size])
    os.utime(recipe, ns=(state.st_atime_ns, state.st_mtime_ns))
    (workspace.path / ".gitignore").write_text("*\n")
    (workspace.path / "controls" / "clip.py").unlink()
    (workspace.path / "controls" / "clip.py").symlink_to("/etc/passwd")
    (workspace.path / "__pycache__").mkdir()
    (workspace.path / "__pycache__" / "a.pyc").write_bytes(b"\0")
    (workspace.path / "linked").symlink_to("/etc")
    subprocess.run(["git", "init", "--quiet", str(workspace.path / "nested")], check=True)
    changed = workspace.changed("baseline")
    expected = [".gitignore", "__pycache__/a.pyc", "controls/clip.py", "linked", "recipe.py"]
    assert [path for path in changed if not path.startswith("nested/")] == expected
    workspace.checkout("baseline")
    assert workspace.changed("baseline") == []
    assert contents(workspace.path) == ledger.files("baseline")
    assert Path("/etc/passwd").exists()


def test_a_missing_file_is_a_change(workspace: Workspace) -> None:
    (workspace.path / "recipe.py").unlink()
    assert workspace.changed("baseline") == ["recipe.py"]


def damage_link(workspace: Workspace) -> None:
    (workspace.path / ".git").unlink()


def damage_link_text(workspace: Workspace) -> None:
    (workspace.path / ".git").write_text("gitdir: /nowhere\n")


def damage_directory(workspace: Workspace) -> None:
    shutil.rmtree(workspace.path)


def damage_index(workspace: Workspace) -> None:
    (workspace.ledger.path / ".git" / "worktrees" / "1" / "index").write_bytes(b"broken")


def damage_lock(workspace: Workspace) -> None:
    (workspace.ledger.path / ".git" / "worktrees" / "1" / "index.lock").touch()


def damage_half_added(workspace: Workspace) -> None:
    administration = workspace.ledger.path / ".git" / "worktrees" / "1"
    (administration / "locked").write_text("initializing")
    (administration / "index").unlink()
    (workspace.path / "recipe.py").unlink()


def damage_administration(workspace: Workspace) -> None:
    shutil.rmtree(workspace.ledger.path / ".git" / "worktrees")


def damage_to_file(workspace: Workspace) -> None:
    shutil.rmtree(workspace.path / "controls")
    (workspace.path / "controls").write_text("now a file")


@pytest.mark.parametrize(
    "damage",
    [
        damage_link,
        damage_link_text,
        damage_directory,
        damage_index,
        damage_lock,
        damage_half_added,
        damage_administration,
        damage_to_file,
    ],
)
def test_a_damaged_work_tree_is_made_anew(ledger: Ledger, workspace: Workspace, damage: object) -> None:
    assert callable(damage)
    damage(workspace)
    again = Workspace(ledger, workspace.path)
    again.checkout("attempts/0001")
    assert again.changed("attempts/0001") == []
    again.checkout("baseline")
    assert contents(again.path) == ledger.files("baseline")


def test_no_surrounding_repository_is_ever_reset(tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    subprocess.run(["git", "init", "--quiet", str(outer)], check=True)
    (outer / "precious.txt").write_text("not committed")
    source = outer / "a.py"
    source.write_text("A = 1\n")
    ledger = Ledger.create(outer / "runs" / "repository", {"a.py": source}, message="Baseline")
    workspace = Workspace(ledger, outer / "runs" / "worktrees" / "1")
    workspace.checkout("baseline")
    (workspace.path / ".git").unlink()
    workspace.checkout("baseline")
    assert (outer / "precious.txt").read_text() == "not committed"
    assert workspace.changed("baseline") == []


def test_training_that_switches_branches_cannot_move_one(ledger: Ledger, workspace: Workspace) -> None:
    before = ledger.attempt(1)
    command = ["git", "-C", str(workspace.path), "checkout", "--quiet", "attempts/0001"]
    subprocess.run(command, check=True)
    workspace.checkout("baseline")
    assert ledger.attempt(1) == before
    assert contents(workspace.path) == ledger.files("baseline")


def test_an_unknown_commit_leaves_the_work_tree_alone(workspace: Workspace) -> None:
    with pytest.raises(LedgerError, match="no commit"):
        workspace.checkout("f" * 40)
    assert workspace.changed("baseline") == []


def test_work_trees_are_used_side_by_side(ledger: Ledger, tmp_path: Path) -> None:
    pool = [Workspace(ledger, tmp_path / "pool" / str(number)) for number in range(4)]
    failures: list[str] = []

    def use(workspace: Workspace) -> None:
        for commit in ("baseline", "attempts/0001", "baseline"):
            workspace.checkout(commit)
            failures.extend(workspace.changed(commit))

    threads = [threading.Thread(target=use, args=(workspace,)) for workspace in pool]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert all(contents(workspace.path) == ledger.files("baseline") for workspace in pool)


def test_a_removed_work_tree_is_gone_from_disk_and_from_git(ledger: Ledger, workspace: Workspace) -> None:
    workspace.remove()
    workspace.remove()
    assert not workspace.path.exists()
    assert ledger.git.text("worktree", "list").count("\n") == 0
    workspace.checkout("baseline")
    assert workspace.changed("baseline") == []
