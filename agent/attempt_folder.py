"""What an attempt leaves on disk beside its commits: proposals, the last failure, what it re-applies.

Owns the names and formats of these files; they are written before they are used.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from agent.proposal import Proposal
from workspaces.folders import delete_folder
from workspaces.redaction import redacted

MOST_REPAIRS = 2
CONVERSATION_FILE = "conversation.jsonl"
REAPPLICATION = "re-application of attempt "
PERSON = "person"
OFFERED_FILE = "offered.json"


@dataclass(frozen=True)
class Proposed:
    """A proposal and who made it."""

    proposal: Proposal
    researcher: str


class AttemptFolder:
    """RUN/attempts/0007."""

    def __init__(self, run: Path, number: int) -> None:
        self.path = run / "attempts" / f"{number:04d}"
        self.path.mkdir(parents=True, exist_ok=True)

    def proposed(self, repairs: int) -> Proposed | None:
        """The proposal after so many repairs; None while there is none."""
        try:
            row = json.loads(self._proposal(repairs).read_text())
        except FileNotFoundError:
            return None
        return Proposed(Proposal.model_validate(row["proposal"]), row["researcher"])

    def last_proposed(self) -> Proposed | None:
        """The proposal after the last repair; None where there never was one."""
        found = [self.proposed(repairs) for repairs in range(MOST_REPAIRS + 1)]
        return next((proposed for proposed in reversed(found) if proposed is not None), None)

    def keep_proposal(self, repairs: int, proposed: Proposed) -> None:
        row = {"researcher": proposed.researcher, "proposal": proposed.proposal.model_dump(mode="json")}
        _write(self._proposal(repairs), json.dumps(row, indent=1))

    @property
    def failure(self) -> str:
        """Why the last proposal could not be applied or trained."""
        return (self.path / "failure.txt").read_text()

    @failure.setter
    def failure(self, text: str) -> None:
        _write(self.path / "failure.txt", text)

    @property
    def reapplies(self) -> int | None:
        """The attempt whose edits this one re-applies on a newer incumbent."""
        try:
            return int((self.path / "reapplies").read_text())
        except FileNotFoundError:
            return None

    @reapplies.setter
    def reapplies(self, number: int) -> None:
        _write(self.path / "reapplies", str(number))

    @property
    def heard(self) -> int | None:
        """How many remarks there were when the attempt was first proposed: it is asked with these alone."""
        try:
            return int((self.path / "heard").read_text())
        except FileNotFoundError:
            return None

    @heard.setter
    def heard(self, remarks: int) -> None:
        _write(self.path / "heard", str(remarks))

    @property
    def offered(self) -> Proposal | None:
        """What a person offers to be tried as this attempt."""
        try:
            row = json.loads((self.path / OFFERED_FILE).read_text())
        except FileNotFoundError:
            return None
        return Proposal.model_validate(row["proposal"])

    def delete_policies(self) -> None:
        """A commit and a seed bring them back."""
        for pattern in ("*/out/policy", "*/out/snapshot-*", "*/snapshot-*"):
            for policy in self.path.glob(pattern):
                delete_folder(policy)

    def _proposal(self, repairs: int) -> Path:
        return self.path / f"proposal-{repairs}.json"


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(redacted(text))
    os.replace(temporary, path)
