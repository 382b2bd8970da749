"""Taking one change out of the code that came after it.

Owns the three-way merge of files; which change is taken out is said by who asks.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from workspaces.git_command import GitCommand, LedgerError

Files = Mapping[str, str]


def without(latest: Files, after: Files, before: Files, git: GitCommand) -> dict[str, str] | None:
    """`latest` without the change from `before` to `after`; None where later changes build on it.

    Each file is merged by `git merge-file`, as a revert does. Files that the change added are taken out.
    """
    found = dict(latest)
    for path in sorted(after.keys() | before.keys()):
        if after.get(path) == before.get(path):
            continue
        if path not in before:
            if latest.get(path) != after[path]:
                return None
            del found[path]
            continue
        merged = _merge(latest.get(path, ""), after.get(path, ""), before[path], git)
        if merged is None:
            return None
        found[path] = merged
    return found


def _merge(latest: str, after: str, before: str, git: GitCommand) -> str | None:
    with tempfile.TemporaryDirectory(prefix="szilard-merge-") as folder:
        names = [Path(folder) / name for name in ("latest", "after", "before")]
        for name, text in zip(names, (latest, after, before), strict=True):
            name.write_text(text)
        try:
            return git.run("merge-file", "-p", *map(str, names)).decode()
        except LedgerError:
            return None
