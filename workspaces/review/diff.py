"""`szilard diff`: the code of one attempt against its parent or against another attempt.

Owns which two commits are compared and how they look; git makes the diff.
"""

from __future__ import annotations

from typing import Any

from workspaces.ledger import Ledger
from workspaces.plain_text import clean
from workspaces.review.record import RunRecord, UnreadableRun
from workspaces.review.text import console


def diff(run: RunRecord, first: int, second: int | None) -> dict[str, Any]:
    """The changes from `first` to `second`, or those that attempt `first` made to its parent.

    Raises:
        UnreadableRun: the run has no such attempt, or it has no code commit.
    """
    if second is None:
        if first == 0:
            raise UnreadableRun(
                "The baseline has no parent to compare with. Name two attempts, "
                f"or list its files: git -C {run.directory / 'repository'} ls-tree -r --name-only baseline"
            )
        first, second = run.attempt(first).parent, first
    if not (run.directory / "repository").exists():
        raise UnreadableRun(f"{run.directory} has no ledger yet. Start it: szilard resume {run.directory}")
    ledger = Ledger.open(run.directory / "repository")
    before, after = _commit(run, ledger, first), _commit(run, ledger, second)
    return {
        "from": {"attempt": first, "commit": before},
        "to": {"attempt": second, "commit": after},
        "diff": ledger.diff(before, after),
    }


def print_diff(run: RunRecord, first: int, second: int | None) -> None:
    """The changes for a person, coloured on a terminal."""
    from rich.text import Text

    found = diff(run, first, second)
    out = console()
    before, after = found["from"]["attempt"], found["to"]["attempt"]
    if not found["diff"].strip():
        out.print(f"Attempts {before} and {after} have the same code.")
        return
    for line in clean(found["diff"]).rstrip("\n").split("\n"):
        out.print(Text(line, style=_style(line)), soft_wrap=True)


def _style(line: str) -> str:
    if line.startswith(("diff ", "index ", "--- ", "+++ ", "new file", "deleted file")):
        return "bold"
    return {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")


def _commit(run: RunRecord, ledger: Ledger, number: int) -> str:
    if number == 0:
        return ledger.tags()["baseline"]
    commit = run.attempt(number).code_commit
    if commit is None:
        raise UnreadableRun(f"Attempt {number} was never committed: its proposal had no edits that apply.")
    return commit
