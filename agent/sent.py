"""What a language model was sent for an attempt of a run, or would be sent for the next one.

Owns the choice between the record and a context built anew; nothing is sent and nothing is written.
"""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from pathlib import Path

from agent.context.build import opening
from agent.context.tokens import tokens
from agent.onlooking import NothingToSee, onlooking
from agent.researchers.conversation import Conversation, Exchange, Turn
from agent.settings import RunSettings
from workspaces.ledger import Ledger
from workspaces.redaction import redacted


@dataclass(frozen=True)
class Opening:
    """The turns that would open the conversation of attempt `number`, and their tokens as Szilard counts."""

    number: int
    parent: int
    turns: tuple[Turn, ...]

    @property
    def tokens(self) -> int:
        return sum(tokens(turn.content) for turn in self.turns)


def next_opening(directory: Path) -> Opening:
    """What a language model would be sent for the first attempt that has no proposal, whoever proposes.

    Raises:
        SzilardError: the run has no measured baseline, or cannot be read.
    """
    laboratory = onlooking(directory)
    taken = {record.number for record in laboratory.ledger.attempts()}
    number = next(number for number in itertools.count(1) if number not in taken)
    standing = laboratory.standing_for(number)
    turns = opening(laboratory.context(number, standing.parent, standing.parent_commit))
    return Opening(
        number, standing.parent, tuple(Turn(t.role, redacted(t.content, os.environ)) for t in turns)
    )


def sent(directory: Path, number: int) -> list[Exchange]:
    """Every request of an attempt's conversation that is on record, with what came of it, oldest first.

    Raises:
        NothingToSee: no model was asked for it.
        SzilardError: no run lives there.
    """
    settings = RunSettings.read(directory)
    found = Conversation(directory / "attempts" / f"{number:04d}").exchanges()
    if found:
        return found
    last = max((record.number for record in Ledger.open(directory / "repository").attempts()), default=0)
    who = f"the {settings.researcher} researcher" if number <= last else "nobody yet"
    raise NothingToSee(
        f"{directory.name} holds no conversation of attempt {number}: it was proposed by {who}. "
        f"`szilard context {directory}` shows what a language model would be sent next."
    )


def without_repeats(exchanges: list[Exchange]) -> list[Exchange]:
    """The exchanges whose turns do not all stand at the beginning of a later one's."""
    return [
        exchange
        for index, exchange in enumerate(exchanges)
        if not any(
            later.turns[: len(exchange.turns)] == exchange.turns and len(later.turns) > len(exchange.turns)
            for later in exchanges[index + 1 :]
        )
    ]
