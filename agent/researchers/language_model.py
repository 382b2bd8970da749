"""The researcher that asks a language model, over any OpenAI-compatible endpoint.

Owns the course of one attempt's conversation: prompt, reply, at most two repairs. What is shown
belongs to `agent.context`, the wire to `endpoint`, storing to `conversation`, applying edits to
`workspaces.edits`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from agent.context import build
from agent.events import Observer
from agent.proposal import Proposal
from agent.researchers.allowance import Allowance
from agent.researchers.base import Context, NoProposal, ResearcherError
from agent.researchers.completion import REPLY_CHARACTERS
from agent.researchers.conversation import Conversation, Exchange, Turn
from agent.researchers.endpoint import Endpoint, Reply
from workspaces.plain_text import clipped, one_line

REPAIRS = 2
OBJECTS_TRIED = 200
ANSWER_CHARACTERS = 40_000
REQUEST_SECONDS = 600.0

_OBJECT = re.compile(r"\{\s*\"")
_DECODER = json.JSONDecoder(strict=False)


class Replies(Protocol):
    """Where replies come from: an endpoint, or the conversations of another run."""

    def ask(self, turns: Sequence[Turn], attempt: int) -> Reply:
        """Raises ResearcherError where no reply can be had."""

    def redacted(self, text: str) -> str:
        """`text` as it may be sent and stored."""


class LanguageModelResearcher:
    """Proposes what the model says. Several threads may share one; each attempt has its own directory."""

    name = "language-model"

    def __init__(
        self,
        model: str,
        *,
        replies: Replies | None = None,
        seconds: float = REQUEST_SECONDS,
        allowance: Allowance | None = None,
        observer: Observer | None = None,
    ) -> None:
        """Without `replies` take endpoint and key from OPENAI_BASE_URL and OPENAI_API_KEY. Nothing is sent.

        `seconds` bounds the wall time of one request, retries included; `allowance` what all of them take;
        `observer` hears how replies come in.

        Raises:
            ResearcherError: there is no model's name, or base URL or key cannot be right.
        """
        self._model = model
        self._allowance = allowance or Allowance()
        self._replies = replies or Endpoint(model, _reply_schema(), os.environ, seconds, observer)

    def propose(self, context: Context, directory: Path) -> Proposal:
        """Ask for a proposal, with repairs of replies that are none."""
        return self._converse(self._opening(context, directory), context, directory)

    def repair(self, context: Context, proposal: Proposal, failure: str, directory: Path) -> Proposal:
        """Show the model why its proposal failed and ask again, within the same two repairs."""

        def said_this(exchange: Exchange) -> bool:
            return exchange.model == self._model and _same(exchange.reply or "", proposal)

        exchange = Conversation(directory).last(said_this)
        if exchange is None:
            turns, reply = self._opening(context, directory), proposal.model_dump_json(indent=2)
        else:
            turns, reply = exchange.turns, exchange.reply or ""
        problem = build.failed_proposal(self._replies.redacted(failure), context.parent, _left(turns) - 1)
        if not _left(turns):
            raise NoProposal(f"No usable proposal after {REPAIRS} repairs: {_summary(failure)}")
        turns = (*turns, _answer(reply), Turn("user", problem))
        return self._converse(turns, context, directory)

    def _opening(self, context: Context, directory: Path) -> tuple[Turn, ...]:
        """As it was sent before or, where nothing came of that, as the context is now."""
        turns = Conversation(directory).opening(self._model) or build.opening(context)
        return tuple(Turn(turn.role, self._replies.redacted(turn.content)) for turn in turns)

    def _converse(self, turns: tuple[Turn, ...], context: Context, directory: Path) -> Proposal:
        conversation = Conversation(directory)
        while True:
            exchange = conversation.find(self._model, turns) or self._ask(
                turns, context.attempt, conversation
            )
            reply = exchange.reply or ""
            try:
                proposal = _read(reply)
                if context.spec.trains_policy and proposal.predicted_entropy is None:
                    raise ValueError("predicted_entropy is missing: nats a token at the end of training.")
                return proposal
            except ValueError as error:
                problem = str(error)
            if exchange.finish_reason == "length":
                problem += "\nThe reply was cut off at the server's limit of tokens: make it shorter."
            if not _left(turns):
                raise NoProposal(f"No usable proposal after {REPAIRS} repairs: {_summary(problem)}")
            turns = (*turns, _answer(reply), Turn("user", build.unusable_reply(problem, _left(turns) - 1)))

    def _ask(self, turns: tuple[Turn, ...], attempt: int, conversation: Conversation) -> Exchange:
        with self._allowance.claimed(turns):
            exchange = self._exchange(turns, attempt, conversation)
            self._allowance.count(exchange)
            return exchange

    def _exchange(self, turns: tuple[Turn, ...], attempt: int, conversation: Conversation) -> Exchange:
        try:
            reply = self._replies.ask(turns, attempt)
        except ResearcherError as error:
            conversation.append(Exchange(self._model, turns, reply=None, error=str(error)))
            raise
        exchange = Exchange(
            model=self._model,
            turns=turns,
            reply=reply.text,
            form=reply.form,
            finish_reason=reply.finish_reason,
            served_by=reply.served_by,
            prompt_tokens=reply.prompt_tokens,
            completion_tokens=reply.completion_tokens,
            seconds=reply.seconds,
        )
        conversation.append(exchange)
        return exchange


def _left(turns: tuple[Turn, ...]) -> int:
    """How many repairs the attempt still has: every answer among the turns cost one."""
    return REPAIRS - sum(turn.role == "assistant" for turn in turns)


def _answer(reply: str) -> Turn:
    return Turn("assistant", clipped(reply, ANSWER_CHARACTERS) or "(an empty reply)")


def _summary(problem: str) -> str:
    return one_line(problem, 300)


def _same(reply: str, proposal: Proposal) -> bool:
    try:
        return _read(reply) == proposal
    except ValueError:
        return False


def _read(reply: str) -> Proposal:
    """The proposal in a reply, bare or wrapped in prose: the last one, after a reasoning model's thoughts.

    Raises:
        ValueError: there is none; the message tells the model what is wrong.
    """
    if len(reply) > REPLY_CHARACTERS:
        raise ValueError(f"The reply has more than {REPLY_CHARACTERS} characters: make it shorter.")
    text = reply.rpartition("</think>")[2]
    found = list(_objects(text))
    if not found:
        raise ValueError(f"The reply holds no JSON object with the fields of a proposal. {_syntax(text)}")
    try:
        proposal = Proposal.model_validate(found[-1])
        proposal.model_dump_json()
        if proposal.predicted_score_change is None:
            raise ValueError("predicted_score_change is missing: the change of the metric that you expect.")
        return proposal
    except PydanticSerializationError:
        raise ValueError("A text holds half of a surrogate pair: write the whole character.") from None
    except ValidationError as error:
        problems = [
            f"- {'.'.join(map(str, problem['loc'])) or 'proposal'}: {problem['msg']}"
            for problem in error.errors()
        ]
        raise ValueError("The JSON object is not a valid proposal:\n" + "\n".join(problems[:12])) from None


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """The JSON objects in a text that have a field of a proposal."""
    position = 0
    for _ in range(OBJECTS_TRIED):
        start = _OBJECT.search(text, position)
        if start is None:
            return
        try:
            value, position = _DECODER.raw_decode(text, start.start())
        except (ValueError, RecursionError):
            position = start.end()
            continue
        if value.keys() & Proposal.model_fields.keys():
            yield value


def _syntax(text: str) -> str:
    """Where the JSON of a text breaks off, empty if it does not."""
    try:
        _DECODER.raw_decode(text, max(text.find("{"), 0))
    except RecursionError:
        return "It is nested too deeply."
    except ValueError as error:
        return f"The JSON parser says: {error}."
    return ""


def _reply_schema() -> dict[str, Any]:
    """The proposal's JSON schema as strict endpoints take it: all required, no defaults or lengths."""
    schema = Proposal.model_json_schema()
    for record in (schema, *schema["$defs"].values()):
        record["required"] = list(record["properties"])
        for field in record["properties"].values():
            for keyword in ("default", "minLength", "maxLength"):
                field.pop(keyword, None)
    return schema
