"""conversation.jsonl: every prompt, reply and token count of one attempt, stored before it is used.

Owns the file and the finding of stored replies; it neither asks a model nor judges what it said.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

CONVERSATION_FILE = "conversation.jsonl"


@dataclass(frozen=True)
class Turn:
    """One message; `role` is system, user or assistant."""

    role: str
    content: str


@dataclass(frozen=True)
class Exchange:
    """One request and what came of it: a reply, or an error with no reply.

    `form` is the response format that was asked for, `served_by` the model that the server says
    answered; token counts are None where the server gave none.
    """

    model: str
    turns: tuple[Turn, ...]
    reply: str | None
    error: str | None = None
    form: str | None = None
    finish_reason: str | None = None
    served_by: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seconds: float | None = None


class Conversation:
    """The exchanges of one attempt, found again by model and turns."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / CONVERSATION_FILE

    def append(self, exchange: Exchange) -> None:
        """Add an exchange and force it to disk. A line torn by a kill is left behind and ignored."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab+") as file:
            if file.tell() and not _ends_a_line(self._path):
                file.write(b"\n")
            file.write(json.dumps(asdict(exchange)).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def find(self, model: str, turns: tuple[Turn, ...]) -> Exchange | None:
        """The stored exchange of an equal request that has a reply."""
        return self.last(lambda exchange: exchange.model == model and exchange.turns == turns)

    def last(self, wanted: Callable[[Exchange], bool]) -> Exchange | None:
        """The latest exchange that has a reply and is `wanted`."""
        return next(
            (one for one in reversed(self.exchanges()) if one.reply is not None and wanted(one)), None
        )

    def opening(self, model: str) -> tuple[Turn, ...] | None:
        """The turns that opened the conversation with a model that has replied to them; None if none has.

        They are sent again word for word after a kill, so that what was paid for is found: a new opening
        would tell of less time.
        """
        answered = [one for one in self.exchanges() if one.model == model and one.reply is not None]
        return answered[0].turns if answered else None

    def exchanges(self) -> list[Exchange]:
        """Every exchange that can be read, oldest first."""
        try:
            return exchanges_in(self._path.read_bytes())
        except FileNotFoundError:
            return []


def exchanges_in(stored: bytes) -> list[Exchange]:
    """Every exchange that can be read in the file of a conversation, oldest first."""
    return [exchange for exchange in map(_parse, stored.splitlines()) if exchange is not None]


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _parse(line: bytes) -> Exchange | None:
    try:
        row = json.loads(line)
        row["turns"] = tuple(Turn(**turn) for turn in row["turns"])
        exchange = Exchange(**row)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    words = (
        exchange.model,
        "" if exchange.reply is None else exchange.reply,
        *(turn.content for turn in exchange.turns),
    )
    return exchange if all(isinstance(word, str) for word in words) else None
