"""A pooled git work tree: the code of one attempt on disk, for the length of a training run.

Owns the directory and its state; which commit is wanted, and what runs there, is decided elsewhere.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from environments.base import SzilardError
from workspaces.git_command import GitCommand
from workspaces.ledger import Ledger, LedgerError
from workspaces.snapshots import blob_hash


class WorkspaceError(SzilardError):
    """A work tree that can neither be used nor be made anew."""


class Workspace:
    """One detached work tree of a ledger at `path`, which belongs to it entirely."""

    def __init__(self, ledger: Ledger, path: Path) -> None:
        self.ledger = ledger
        self.path = path.absolute()

    def checkout(self, commit: str) -> None:
        """Make the directory hold exactly the files of `commit`.

        Creates it when it is missing, and anew when it is half made or cannot be cleaned.

        Raises:
            LedgerError: no such commit.
            WorkspaceError: the directory cannot be removed or written.
        """
        blobs = self.ledger.blobs(commit)
        directory = self._git_directory()
        if directory is not None:
            git = GitCommand(directory, self.path)
            try:
                for lock in ("index.lock", "HEAD.lock"):
                    (directory / lock).unlink(missing_ok=True)
                git.run("reset", "--quiet", "--hard", commit)
                git.run("clean", "--quiet", "-ffdx")
                return
            except LedgerError:
                pass
        self.remove()
        with self.ledger.lock:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.ledger.git.run(
                "worktree", "add", "--quiet", "--force", "--force", "--detach", str(self.path), commit
            )
        if self._git_directory() is None or self._hashes() != blobs:
            raise WorkspaceError(
                f"{self.path} does not hold {commit[:10]} after a fresh checkout: is the disk full?"
            )

    def changed(self, commit: str) -> list[str]:
        """The files that differ from those of `commit`, by content: changed, missing and new ones."""
        expected = self.ledger.blobs(commit)
        found = self._hashes()
        return sorted(
            path for path in expected.keys() | found.keys() if expected.get(path) != found.get(path)
        )

    def remove(self) -> None:
        """Delete the directory and git's note of it; fine if there is none.

        Raises:
            WorkspaceError: the directory cannot be deleted.
        """
        if self.path.is_symlink():
            self.path.unlink()
        elif self.path.exists():
            _delete(self.path)
        with self.ledger.lock:
            self.ledger.git.run("worktree", "prune")

    def _git_directory(self) -> Path | None:
        """The work tree's own git directory; None unless it is whole, detached and linked both ways."""
        try:
            directory = Path((self.path / ".git").read_text().removeprefix("gitdir: ").strip())
            back = Path((directory / "gitdir").read_text().strip())
            head = (directory / "HEAD").read_text()
        except (OSError, ValueError):
            return None
        owner = (self.ledger.path / ".git" / "worktrees").resolve()
        linked = directory.resolve().parent == owner and back.resolve() == (self.path / ".git").resolve()
        whole = (directory / "index").is_file() and not (directory / "locked").exists()
        return directory if linked and whole and not head.startswith("ref:") else None

    def _hashes(self) -> dict[str, str]:
        hashes: dict[str, str] = {}
        for directory, names, files in os.walk(self.path):
            links = [name for name in names if (Path(directory) / name).is_symlink()]
            for name in files + links:
                path = Path(directory) / name
                inside = path.relative_to(self.path).as_posix()
                if inside != ".git":
                    hashes[inside] = _blob(path)
        return hashes


def _blob(path: Path) -> str:
    """Git's hash of a regular file; a word that equals no hash for anything else."""
    if not stat.S_ISREG(path.lstat().st_mode):
        return "not a regular file"
    return blob_hash(path.read_bytes())


def _delete(path: Path) -> None:
    for directory, names, _ in os.walk(path):
        for name in names:
            inner = Path(directory) / name
            if not inner.is_symlink():
                inner.chmod(0o700)
    try:
        path.chmod(0o700)
        shutil.rmtree(path)
    except OSError as error:
        raise WorkspaceError(
            f"{path} cannot be deleted ({error.strerror}): remove it, then repeat."
        ) from error
