"""What a revision of a repository names.

Owns the asking, once for what never changes; which revisions there are is the ledger's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from workspaces.commits import Written
from workspaces.git_command import GitCommand, LedgerError

_FULL_HASH = re.compile(r"[0-9a-f]{40}")


class Revisions:
    """Hash, tag or branch -> hash of its commit or tree. Safe from any thread."""

    def __init__(self, git: GitCommand) -> None:
        self._git = git
        self._verified: dict[str, str] = {}

    def commit(self, revision: str) -> str:
        """The hash of the commit.

        Raises:
            LedgerError: there is no such commit.
        """
        return self._verify(f"{_plain(revision)}^{{commit}}")

    def tree(self, revision: str) -> str:
        """The hash of the commit's tree. Raises what `commit` raises."""
        return self._verify(f"{_plain(revision)}^{{tree}}")

    def wrote(self, written: Written) -> None:
        """Spare the question for a commit that was just made."""
        self._verified[f"{written.name}^{{commit}}"] = written.name
        self._verified[f"{written.name}^{{tree}}"] = written.tree

    def listed(self, commits: Iterable[str]) -> None:
        """Spare the question for commits, by their full hashes, that git itself has named."""
        self._verified |= {f"{commit}^{{commit}}": commit for commit in commits}

    def _verify(self, revision: str) -> str:
        """What a full hash names never changes, so it is asked once."""
        if revision in self._verified:
            return self._verified[revision]
        name = self._ask(revision)
        if _FULL_HASH.match(revision):
            self._verified[revision] = name
        return name

    def _ask(self, revision: str) -> str:
        name = self._git.text("rev-parse", "--verify", "--quiet", "--end-of-options", revision, check=False)
        if not name:
            shown = revision.partition("^{")[0]
            raise LedgerError(
                f"{self._git.git_directory.parent} has no commit {shown!r}: "
                "list what there is with `szilard log RUN`."
            )
        return name


def _plain(revision: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/~^-]*", revision):
        raise LedgerError(f"{revision!r} names no commit: give a hash, a tag or a branch.")
    return revision
