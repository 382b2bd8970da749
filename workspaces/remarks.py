"""What a person says to a run while it goes on: notes on its attempts, and words that steer it.

Owns remarks.jsonl in the run's directory. It is appended to and never rewritten, by whichever process; the
process that holds the run copies it into the evidence.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from environments.base import SzilardError
from workspaces.plain_text import clean
from workspaces.redaction import redacted

REMARKS_FILE = "remarks.jsonl"
LONGEST_REMARK = 2000
MOST_REMARKS = 200


class NoRemark(SzilardError):
    """Words that cannot be kept; the message says why."""


class Remark(BaseModel):
    """One note on an attempt or, where `attempt` is None, what steers the run from then on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    attempt: int | None = Field(ge=0)
    text: str = Field(min_length=1, max_length=LONGEST_REMARK)
    created: str


def add_remark(directory: Path, text: str, attempt: int | None = None) -> Remark:
    """Append a remark to those of the run, cleaned, and without secrets.

    Raises:
        NoRemark: it is empty or too long, or the run has as many as it may.
    """
    words = redacted(clean(text)).strip()
    if not words:
        raise NoRemark("The text is empty: say in words what the researcher should know.")
    if len(words) > LONGEST_REMARK:
        raise NoRemark(f"The text has {len(words)} characters; a remark may have {LONGEST_REMARK}.")
    if len(read_remarks(directory)) >= MOST_REMARKS:
        raise NoRemark(f"{directory} has {MOST_REMARKS} remarks, and takes no more.")
    created = datetime.now(UTC).isoformat(timespec="seconds")
    remark = Remark(attempt=attempt, text=words, created=created)
    path = directory / REMARKS_FILE
    torn = path.exists() and not path.read_bytes().endswith(b"\n") and path.stat().st_size > 0
    line = f"{remark.model_dump_json()}\n".encode()
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, b"\n" + line if torn else line)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return remark


def read_remarks(directory: Path) -> tuple[Remark, ...]:
    """The remarks of a run, oldest first; a line that a kill has torn is passed over."""
    try:
        lines = (directory / REMARKS_FILE).read_bytes().splitlines()
    except FileNotFoundError:
        return ()
    found = []
    for line in lines:
        try:
            found.append(Remark.model_validate_json(line))
        except ValidationError:
            continue
    return tuple(found)


def steering(remarks: Sequence[Remark]) -> list[Remark]:
    """Those that steer the run."""
    return [remark for remark in remarks if remark.attempt is None]


def notes_on(remarks: Sequence[Remark], attempt: int) -> list[Remark]:
    """Those on one attempt."""
    return [remark for remark in remarks if remark.attempt == attempt]


def evidence_of_remarks(directory: Path) -> dict[str, bytes]:
    """The file as it is now, for the evidence; empty where nobody has said anything."""
    path = directory / REMARKS_FILE
    return {REMARKS_FILE: path.read_bytes()} if path.exists() else {}


def goes_on_from(directory: Path, kept: bytes) -> bool:
    """Whether the file still begins with what was once kept of it."""
    return evidence_of_remarks(directory).get(REMARKS_FILE, b"").startswith(kept)
