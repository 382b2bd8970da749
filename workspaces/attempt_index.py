"""A cache of the attempts in a ledger, so that a thousand are listed without a word from git.

Owns one file beside git's own: a line for every attempt that has a result, appended by whoever writes the
ledger. A line counts only while the attempt's branch ends in the commit that it names, so what is missing,
torn or outdated is read from git again; `szilard fsck` holds the rest against the ledger.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from workspaces.attempts import AttemptRecord
from workspaces.references import read_branches

INDEX_FILE = "szilard-attempts.jsonl"
_Indexed = dict[int, tuple[str, AttemptRecord]]


class AttemptIndex:
    """The index of one ledger, for its only writer. Safe from any thread."""

    def __init__(self, git_directory: Path) -> None:
        self._path = git_directory / INDEX_FILE
        self._lock = threading.Lock()
        self._known: dict[int, str] | None = None

    def keep(self, number: int, tip: str, record: AttemptRecord) -> None:
        """Add an attempt whose branch ends in `tip`, unless it is there or has no result yet."""
        if record.result_commit is None:
            return
        with self._lock:
            if self._known is None:
                self._known = {n: known for n, (known, _) in read_index(self._path).items()}
            if self._known.get(number) != tip:
                line = json.dumps({"tip": tip, **asdict(record)}, separators=(",", ":"))
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(f"\n{line}\n")
                self._known[number] = tip


def read_index(path: Path) -> _Indexed:
    """Number -> the commit that the attempt's branch ended in, and the attempt; torn lines are left out."""
    found: _Indexed = {}
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return found
    for line in filter(None, lines):
        try:
            row = json.loads(line)
            tip = row.pop("tip")
            record = AttemptRecord(**row)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            continue
        found[record.number] = (tip, record)
    return found


def read_indexed_attempts(git_directory: Path) -> tuple[list[AttemptRecord], str] | None:
    """All attempts by number and the commit of the incumbent; None where the index does not know them all."""
    branches = read_branches(git_directory)
    if branches is None or "main" not in branches:
        return None
    tips = {
        int(digits): tip
        for name, tip in branches.items()
        if (digits := name.removeprefix("attempts/")).isdecimal()
    }
    indexed = read_index(git_directory / INDEX_FILE)
    if any(number not in indexed or indexed[number][0] != tip for number, tip in tips.items()):
        return None
    return [indexed[number][1] for number in sorted(tips)], branches["main"]


def differences(git_directory: Path, attempts: Mapping[int, AttemptRecord]) -> list[str]:
    """What the index says of finished attempts that the ledger says otherwise."""
    return [
        f"the index says something else of attempt {number} than its commits"
        for number, (tip, record) in sorted(read_index(git_directory / INDEX_FILE).items())
        if number in attempts and tip == attempts[number].result_commit and record != attempts[number]
    ]
