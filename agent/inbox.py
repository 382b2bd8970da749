"""What people offer to a run to be tried: each offer waits in a folder until an attempt takes it.

Owns that folder. Anybody may leave an offer there while another process holds the run; only the process that
holds the run takes one, by renaming it into the folder of the attempt that tries it.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from pathlib import Path

from agent.attempt_folder import OFFERED_FILE
from agent.proposal import Proposal
from agent.state_files import read_json, write_json
from workspaces.redaction import redacted
from workspaces.review.record import INBOX


def leave(directory: Path, proposal: Proposal) -> str:
    """Leave an offer for the run in `directory`; what it is called there."""
    name = f"{time.time_ns():020d}-{secrets.token_hex(4)}"
    (directory / INBOX).mkdir(exist_ok=True)
    row = {"offer": name, "proposal": proposal.model_dump(mode="json")}
    write_json(directory / INBOX / f"{name}.json", json.loads(redacted(json.dumps(row))))
    return name


def waiting(directory: Path) -> list[Path]:
    """The offers that no attempt has taken yet, oldest first."""
    return sorted((directory / INBOX).glob("*.json"))


def take(directory: Path, folder: Path) -> None:
    """Give the oldest offer, if there is one, to the attempt in `folder`, unless it has one."""
    offers = waiting(directory)
    if offers and not (folder / OFFERED_FILE).exists():
        os.replace(offers[0], folder / OFFERED_FILE)


def withdraw(directory: Path, name: str) -> bool:
    """Take an offer back; False if an attempt has taken it."""
    try:
        (directory / INBOX / f"{name}.json").unlink()
    except FileNotFoundError:
        return False
    return True


def attempt_of(directory: Path, name: str) -> int | None:
    """The attempt that has taken an offer; None while it waits."""
    for path in sorted(directory.glob(f"attempts/*/{OFFERED_FILE}")):
        if read_json(path, "offer")["offer"] == name:
            return int(path.parent.name)
    return None
