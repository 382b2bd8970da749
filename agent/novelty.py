"""Whether the code of an attempt was tried before: then it is refused, before it costs any training.

Owns which earlier attempts count and what the researcher is told of them; the comparison of code is
`workspaces.normalised_code`'s.
"""

from __future__ import annotations

from agent.context.history_table import outcome
from agent.history import History
from agent.laboratory import Laboratory
from workspaces.attempts import AttemptRecord
from workspaces.normalised_code import TOLERANCE, Apart, indistinguishable

RETRIED = ("refused", "crashed", "void")
_SHOWN = 6


def already_tried(laboratory: Laboratory, number: int, parent_commit: str, commit: str) -> str | None:
    """Why the code of an attempt says nothing new, and what came of the one that it repeats; None if it does.

    Equal code is held against every attempt, code that differs in numbers too near to tell apart against
    those on the same parent. What was refused, crashed or void has no result, and may be tried again. Of its
    own round an attempt counts those before it as in flight, whether they are or not.
    """
    history = laboratory.history
    fingerprint = history.fingerprint(commit)
    if fingerprint == history.fingerprint(laboratory.baseline):
        return "this code equals the baseline's"
    seen = laboratory.horizon(number)
    earlier = [
        record
        for record in laboratory.ledger.attempts()
        if record.number < number and (record.number > seen or record.verdict not in RETRIED)
    ]
    for record in earlier:
        if record.code_commit is not None and history.fingerprint(record.code_commit) == fingerprint:
            return f"this code equals attempt {record.number}'s ({_result(history, record, seen)})"
    near = _near_one(history, earlier, parent_commit, commit)
    if near is None:
        return None
    record, apart = near
    return (
        f"this code is attempt {record.number}'s ({_result(history, record, seen)}) but for numbers within "
        f"{TOLERANCE:.0%}, which no training tells apart: {_told(apart)}. Move them further, or change "
        "something else"
    )


def _near_one(
    history: History, earlier: list[AttemptRecord], parent_commit: str, commit: str
) -> tuple[AttemptRecord, list[Apart]] | None:
    """The newest earlier attempt on the same code that this one cannot be told apart from."""
    files, base = history.files(commit), history.files(parent_commit)
    parent = next((r.number for r in earlier if r.result_commit == parent_commit), 0)
    for record in reversed(earlier):
        if record.parent != parent or record.code_commit is None:
            continue
        theirs = history.files(record.code_commit)
        apart = indistinguishable(theirs, files) if theirs != base else None
        if apart is not None:
            return record, apart
    return None


def _result(history: History, record: AttemptRecord, seen: int) -> str:
    if record.number > seen:
        return "in flight"
    said = outcome(history.entry(record))
    return f"{said}: {record.reason}" if record.reason else said


def _told(apart: list[Apart]) -> str:
    shown = [f"{one.path} {one.before:g} and now {one.after:g}" for one in apart[:_SHOWN]]
    return ", ".join(shown) + (f" and {len(apart) - _SHOWN} more" if len(apart) > _SHOWN else "")
