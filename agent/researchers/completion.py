"""The answer of a chat-completion server, streamed or whole, read into one completion.

Owns the reading of bytes that nobody vouches for, and their bounds. It sends nothing, takes out no secrets
and does not judge what was said.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

REPLY_CHARACTERS = 200_000
ANSWER_BYTES = 8_000_000
MOST_TOKENS = 100_000_000
_DONE = b"[DONE]"


class NoCompletion(Exception):
    """The answer is no chat completion."""


class CutOff(Exception):
    """The answer ended before its reply did; the message says how."""


@dataclass(frozen=True)
class Completion:
    """What a server says that its model said; of a longer reply one character beyond REPLY_CHARACTERS.

    Token counts are None where the server gives none that can be right.
    """

    text: str
    finish_reason: str | None
    served_by: str | None
    prompt_tokens: int | None
    completion_tokens: int | None

    @property
    def is_counted(self) -> bool:
        """Whether it is known how many tokens it took."""
        return self.prompt_tokens is not None and self.completion_tokens is not None


async def read_whole(chunks: AsyncIterator[bytes]) -> Completion:
    """Read an answer that is one JSON object.

    Raises:
        NoCompletion: it is not, or has no reply in it.
        CutOff: it holds an error instead.
    """
    data = bytearray()
    async for chunk in chunks:
        data += chunk
        if len(data) > ANSWER_BYTES:
            raise NoCompletion
    draft = _Draft()
    draft.take(_parsed(bytes(data)), "message")
    if not draft.has_begun:
        raise NoCompletion
    return draft.completion()


async def read_stream(chunks: AsyncIterator[bytes], told: Callable[[int], None]) -> Completion:
    """Read an answer that comes as server-sent events; `told` hears how many characters have come.

    A reply beyond REPLY_CHARACTERS is not read to its end.

    Raises:
        NoCompletion: it holds no piece of a reply.
        CutOff: it ended without saying that the reply is whole.
    """
    draft, broke_off, is_done = _Draft(), "its stream ended in the middle of a reply", False
    try:
        async for line in _lines(chunks):
            data = line.removeprefix(b"data:").strip()
            is_done = data == _DONE
            if is_done or draft.is_too_long:
                break
            if line.startswith(b"data:"):
                draft.take(_parsed(data), "delta")
                told(draft.characters)
    except (CutOff, NoCompletion) as error:
        broke_off = str(error) or broke_off
    if is_done and not draft.has_begun:
        raise NoCompletion
    if not (is_done or draft.is_too_long or draft.finish_reason is not None):
        raise CutOff(broke_off)
    return draft.completion()


class _Draft:
    """A completion as it comes in, piece by piece or at once."""

    def __init__(self) -> None:
        self.has_begun = False
        self.characters = 0
        self.finish_reason: str | None = None
        self._content: list[str] = []
        self._refusal: list[str] = []
        self._length = 0
        self._served_by: str | None = None
        self._usage: Mapping[str, Any] = {}

    @property
    def is_too_long(self) -> bool:
        return self._length > REPLY_CHARACTERS

    def take(self, row: Any, said_in: str) -> None:
        """Add a piece, whose first choice has its words in the field `said_in`."""
        if not isinstance(row, dict):
            raise NoCompletion
        if row.get("error"):
            raise CutOff(f"it answered with an error: {_message(row['error'])}")
        self._served_by = self._served_by or _text(row.get("model"))
        usage, choices = row.get("usage"), row.get("choices")
        self._usage = usage if isinstance(usage, dict) else self._usage
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, dict):
            return
        self.has_begun = True
        self.finish_reason = _text(choice.get("finish_reason")) or self.finish_reason
        said = choice.get(said_in)
        if isinstance(said, dict):
            self._add(said)

    def _add(self, said: Mapping[str, Any]) -> None:
        thoughts = _text(said.get("reasoning_content")) or _text(said.get("reasoning")) or ""
        self._content.append(_words(said.get("content")))
        self._refusal.append(_words(said.get("refusal")))
        words = len(self._content[-1]) + len(self._refusal[-1])
        self._length += words
        self.characters += words + len(thoughts)

    def completion(self) -> Completion:
        said = "".join(self._content) or "".join(self._refusal)
        return Completion(
            text=said[: REPLY_CHARACTERS + 1],
            finish_reason=self.finish_reason,
            served_by=self._served_by,
            prompt_tokens=_count(self._usage.get("prompt_tokens")),
            completion_tokens=_count(self._usage.get("completion_tokens")),
        )


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > ANSWER_BYTES:
            raise NoCompletion
        for line in lines:
            yield line
    yield rest


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        raise NoCompletion from None


def _words(value: Any) -> str:
    """What is said by a text, or by a list of parts of which some are texts."""
    parts = value if isinstance(value, list) else [value]
    return "".join(_text(part.get("text") if isinstance(part, dict) else part) or "" for part in parts)


def _message(error: Any) -> str:
    told = error.get("message") if isinstance(error, dict) else error
    return _text(told) or "it does not say which"


def _text(value: Any) -> str | None:
    """`value` if it is a text, without lone surrogates, which JSON can carry and UTF-8 cannot."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else None


def _count(value: Any) -> int | None:
    """A number of tokens, also one in quotes; None where there can be no such number."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 12:
        value = int(value)
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS
    return value if is_count else None
