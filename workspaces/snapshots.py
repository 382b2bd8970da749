"""The files of commits, by hash: what a hash names never changes, so each is asked for once.

Owns reading trees and blobs; which commits exist is the ledger's.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from environments.base import matches
from workspaces.git_command import GitCommand


class Snapshots:
    """Trees and contents of one repository. Safe from any thread."""

    def __init__(self, git: GitCommand) -> None:
        self._git = git
        self._blobs: dict[str, Mapping[str, str]] = {}
        self._contents: dict[str, bytes] = {}

    def blobs(self, commit: str) -> Mapping[str, str]:
        """Path -> git's hash of the file's content, for every file of a commit or tree."""
        if commit not in self._blobs:
            self._blobs[commit] = dict(self._listing(commit))
        return self._blobs[commit]

    def files(self, commit: str, globs: Sequence[str] | None) -> dict[str, bytes]:
        """Path -> content of the files of a commit that match `globs`, all if None."""
        wanted = {
            path: blob for path, blob in self.blobs(commit).items() if globs is None or matches(path, globs)
        }
        self._contents |= self._read([blob for blob in wanted.values() if blob not in self._contents])
        return {path: self._contents[blob] for path, blob in wanted.items()}

    def texts(self, commit: str, globs: Sequence[str] | None) -> dict[str, str]:
        """Like `files`, decoded; files that are not UTF-8 are left out."""
        decoded = {path: _decoded(content) for path, content in self.files(commit, globs).items()}
        return {path: text for path, text in decoded.items() if text is not None}

    def files_once(self, commit: str) -> dict[str, bytes]:
        """Like `files`, for what is read once and is large: nothing is kept in memory."""
        listing = dict(self._listing(commit))
        contents = self._read(list(listing.values()))
        return {path: contents[blob] for path, blob in listing.items()}

    def holds(self, commit: str, files: Mapping[str, bytes]) -> bool:
        """Whether a commit has all of these files with just these contents."""
        there = dict(self._listing(commit))
        return all(there.get(path) == blob_hash(content) for path, content in files.items())

    def remember(self, contents: Iterable[bytes]) -> None:
        """Spare a reading of what was just written."""
        self._contents |= {blob_hash(content): content for content in contents}

    def _listing(self, commit: str) -> Iterable[tuple[str, str]]:
        output = self._git.run("ls-tree", "-r", "-z", "--full-tree", commit)
        for row in output.decode("utf-8", "surrogateescape").split("\0")[:-1]:
            properties, _, path = row.partition("\t")
            yield sys.intern(path), sys.intern(properties.split()[2])

    def _read(self, blobs: Sequence[str]) -> dict[str, bytes]:
        if not blobs:
            return {}
        output = self._git.run("cat-file", "--batch", data="".join(f"{blob}\n" for blob in blobs).encode())
        contents: dict[str, bytes] = {}
        start = 0
        for blob in blobs:
            end = output.index(b"\n", start)
            size = int(output[start:end].split()[-1])
            contents[blob] = output[end + 1 : end + 1 + size]
            start = end + size + 2
        return contents


@lru_cache(maxsize=4096)
def _decoded(content: bytes) -> str | None:
    """The text of a file, one for all commits that hold it; None where it is no UTF-8."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


def blob_hash(content: bytes) -> str:
    """Git's hash of a file with this content."""
    return hashlib.sha1(b"blob %d\0%s" % (len(content), content), usedforsecurity=False).hexdigest()
