"""The files of commits, by hash: what a hash names never changes, so each is asked for once.

Owns reading trees and blobs; which commits exist is the ledger's.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

from environments.base import matches
from workspaces.git_command import GitCommand

_HASH_BYTES = 20


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
        wanted = _matching(self.blobs(commit), globs)
        self._keep(wanted.values())
        return {path: self._contents[blob] for path, blob in wanted.items()}

    def read_ahead(self, commits: Iterable[str], globs: Sequence[str] | None) -> None:
        """Spare `files` of many commits its questions: git is asked once for each depth of their trees."""
        unread = [commit for commit in commits if commit not in self._blobs]
        if not unread:
            return
        roots = self._read([f"{commit}^{{tree}}" for commit in unread])
        below = self._flat(roots)
        for commit in unread:
            self._blobs[commit] = below[f"{commit}^{{tree}}"]
        self._keep(blob for commit in unread for blob in _matching(self._blobs[commit], globs).values())

    def _flat(self, trees: Mapping[str, bytes]) -> dict[str, Mapping[str, str]]:
        """Name of a tree -> path -> hash, for trees as git stores them."""
        entries = {name: list(_entries(tree)) for name, tree in trees.items()}
        folders = {blob for found in entries.values() for _, blob, is_tree in found if is_tree}
        below = self._flat(self._read(sorted(folders))) if folders else {}
        flat: dict[str, Mapping[str, str]] = {}
        for name, found in entries.items():
            paths: dict[str, str] = {}
            for part, blob, is_tree in found:
                inside = below[blob].items() if is_tree else ()
                paths |= {sys.intern(f"{part}/{path}"): held for path, held in inside} or {part: blob}
            flat[name] = paths
        return flat

    def _keep(self, blobs: Iterable[str]) -> None:
        """Read the contents that are not known yet."""
        self._contents |= self._read([blob for blob in dict.fromkeys(blobs) if blob not in self._contents])

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


def _entries(tree: bytes) -> Iterator[tuple[str, str, bool]]:
    """Name, hash and whether it is a tree, for every entry of a tree as git stores it."""
    start = 0
    while start < len(tree):
        end = tree.index(b"\0", start)
        mode, _, name = tree[start:end].partition(b" ")
        start = end + 1 + _HASH_BYTES
        yield (
            sys.intern(name.decode("utf-8", "surrogateescape")),
            sys.intern(tree[end + 1 : start].hex()),
            mode == b"40000",
        )


def _matching(paths: Mapping[str, str], globs: Sequence[str] | None) -> Mapping[str, str]:
    if globs is None:
        return paths
    wanted = tuple(globs)
    return {path: blob for path, blob in paths.items() if _is_wanted(path, wanted)}


@lru_cache(maxsize=65536)
def _is_wanted(path: str, globs: tuple[str, ...]) -> bool:
    return matches(path, globs)


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
