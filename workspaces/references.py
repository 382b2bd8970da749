"""What the refs of a repository name.

Owns one listing and how long it holds: until this process writes a ref, or another one changes a directory
that refs live in.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping
from pathlib import Path

from workspaces.git_command import GitCommand

_WATCHED = (
    "packed-refs",
    "refs",
    "refs/heads",
    "refs/heads/attempts",
    "refs/heads/frontier",
    "refs/tags",
    "refs/szilard",
)
_BRANCHES = "refs/heads/"
_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_Stamp = tuple[int, ...]


class References:
    """The refs of one repository. Safe from any thread; one at a time writes and calls `moved`."""

    def __init__(self, git: GitCommand) -> None:
        self._git = git
        self._lock = threading.Lock()
        self._generation = 0
        self._read: tuple[int, _Stamp, Mapping[str, str]] | None = None

    def all(self) -> Mapping[str, str]:
        """Full ref name -> the commit that it names, through annotated tags.

        Raises:
            LedgerError: git failed.
        """
        generation, stamp, read = self._generation, self._stamp(), self._read
        if read is not None and read[:2] == (generation, stamp):
            return read[2]
        listing = self._git.text("for-each-ref", "--format=%(refname) %(objectname) %(*objectname)")
        rows = (line.split() for line in listing.splitlines())
        names = {row[0]: row[-1] for row in rows}
        with self._lock:
            if self._read is None or self._read[0] <= generation:
                self._read = (generation, stamp, names)
        return names

    def moved(self, ref: str, commit: str) -> None:
        """Note that this process made `ref` name `commit`."""
        stamp = self._stamp()
        with self._lock:
            known, self._generation = self._generation, self._generation + 1
            # A listing that is older than an earlier write lacks that write: it is no ground for the next.
            if self._read is not None and self._read[0] == known:
                self._read = (self._generation, stamp, {**self._read[2], ref: commit})

    def _stamp(self) -> _Stamp:
        return tuple(_modified(self._git.git_directory / name) for name in _WATCHED)


def read_branches(git_directory: Path) -> dict[str, str] | None:
    """Branch -> the commit that it names, read from git's own files; None where they are kept otherwise.

    For listings, where starting git would take longer than all the rest.
    """
    if (git_directory / "reftable").exists():
        return None
    try:
        packed = (git_directory / "packed-refs").read_text().splitlines()
    except FileNotFoundError:
        packed = []
    except (OSError, UnicodeDecodeError):
        return None
    rows = (line.partition(" ") for line in packed if line[:1] not in "#^")
    branches = {ref.removeprefix(_BRANCHES): name for name, _, ref in rows if ref.startswith(_BRANCHES)}
    loose = git_directory / _BRANCHES
    for folder, _, names in os.walk(loose):
        for name in names:
            try:
                commit = Path(folder, name).read_text().strip()
            except (OSError, UnicodeDecodeError):
                return None
            if not _HASH.fullmatch(commit):
                return None
            branches[os.path.relpath(os.path.join(folder, name), loose)] = commit
    return branches


def _modified(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
