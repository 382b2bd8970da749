"""The replies that another run got, given again: offline, for nothing, and the same each time.

Owns finding them: in the attempts of that run or, where these are gone, in the evidence of its ledger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from agent.context.standing import without_time_left
from agent.opening import REPOSITORY
from agent.researchers.base import ResearcherError
from agent.researchers.conversation import CONVERSATION_FILE, Exchange, Turn, exchanges_in
from agent.researchers.endpoint import Reply
from workspaces.ledger import Ledger
from workspaces.redaction import redacted


class StoredReplies:
    """What `model` said in the run that lives in `run`, found by what it was asked.

    How much time was left is no part of the question: no two runs take equally long.
    """

    def __init__(self, run: Path, model: str) -> None:
        self._run = run
        self._model = model

    def redacted(self, text: str) -> str:
        """`text` without secrets, as it was sent."""
        return redacted(text)

    def ask(self, turns: Sequence[Turn], attempt: int) -> Reply:
        """The reply that the attempt of this number got to the same question.

        Raises:
            ResearcherError: it got none.
        """
        asked = [without_time_left(turn.content) for turn in turns]
        found = next((one for one in reversed(self._answered(attempt)) if _said(one) == asked), None)
        if found is None or found.reply is None:
            raise ResearcherError(
                f"{self._run} has no stored reply to what attempt {attempt} asks: it never got there, or "
                "this run went another way. Start one with --model to ask the model itself."
            )
        return Reply(
            text=found.reply,
            form=found.form,
            finish_reason=found.finish_reason,
            served_by=found.served_by,
            prompt_tokens=found.prompt_tokens,
            completion_tokens=found.completion_tokens,
            seconds=found.seconds,
        )

    def _answered(self, attempt: int) -> list[Exchange]:
        name = f"attempts/{attempt:04d}/{CONVERSATION_FILE}"
        path = self._run / name
        stored = path.read_bytes() if path.exists() else self._evidence.get(name, b"")
        return [one for one in exchanges_in(stored) if one.model == self._model and one.reply is not None]

    @cached_property
    def _evidence(self) -> Mapping[str, bytes]:
        return Ledger.open(self._run / REPOSITORY).evidence()


def _said(exchange: Exchange) -> list[str]:
    return [without_time_left(turn.content) for turn in exchange.turns]
