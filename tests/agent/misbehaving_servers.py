"""Forty servers, each of which misbehaves in a way of its own before it behaves."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Any

from agent.researchers.completion import ANSWER_BYTES, REPLY_CHARACTERS
from tests.agent.scripted_server import Answer, Request, Step, failed, said, streamed

KEY = "sk-proj-9876543210zyxwvuTSRQ"


def proposal(number: int, **changes: Any) -> str:
    """A reply that proposes another learning rate in the recipe of countdown."""
    rate = f"LEARNING_RATE = {3 + number}e-4"
    plain = {
        "hypothesis": f"Attempt {number} learns faster",
        "mechanism": "Larger steps.",
        "predicted_score_change": 0.01,
        "predicted_entropy": 0.3,
        "edits": [{"path": "recipe.py", "search": "LEARNING_RATE = 3e-4", "replace": rate}],
    }
    return json.dumps({**plain, **changes})


def behave(request: Request) -> Answer:
    """A streamed proposal for the attempt that the request speaks of."""
    found = re.search(r"This is attempt (\d+) of", request.messages[1]["content"])
    assert found is not None
    return streamed(proposal(int(found.group(1))))


@dataclass(frozen=True)
class Case:
    """What a server does first; then it behaves.

    `whole` of its first answers are replies, good or bad. Where it `stops` the researcher, a sentence that
    matches this says so. A question has so many `seconds`.
    """

    name: str
    steps: tuple[Step, ...]
    whole: int = 0
    stops: str | None = None
    seconds: float = 60.0

    def require_told(self, stopped: str | None) -> None:
        """Hold against the case what the researcher stopped with, None if nothing stopped it."""
        if self.stops is None:
            assert stopped is None
            return
        assert stopped is not None
        assert re.search(self.stops, stopped)
        assert "szilard resume" in stopped
        assert "\n" not in stopped
        assert KEY not in stopped


def _cut(answer: Answer) -> Answer:
    return replace(answer, cut=len(answer.body) // 2)


def _unless(field: str) -> Step:
    """Refuses requests that carry a field."""

    def step(request: Request) -> Answer:
        return failed(400, f"{field} is not supported") if field in request.body else streamed(GOOD)

    return step


def _silent(**message: Any) -> Answer:
    """A completion without content."""
    return said(None, **message)


GOOD = proposal(1)
PAGE = Answer("<html><h1>502 Bad Gateway</h1></html>", content_type="text/html")
LIMITED = failed(429, "Rate limit reached")
DEAD = replace(streamed(""), body='data: {"error": {"message": "the engine died"}}\n\n')
TOOLS = [{"id": "1", "type": "function", "function": {"name": "propose", "arguments": GOOD}}]
NO_UTF8 = str(said(proposal(1, mechanism="Larger BAD steps.")).body).encode().replace(b"BAD", b"\xff\xfe\x80")
WRONG_COUNTS = {"prompt_tokens": -1, "completion_tokens": "x"}
ENORMOUS = "x" * (REPLY_CHARACTERS + 10)


CASES = [
    Case("the headers are slow once", (replace(streamed(GOOD), wait=8.0),), seconds=12.0),
    Case(
        "the headers never come", (Answer("", wait=3.0),) * 5, stops="was silent|did not answer", seconds=2.0
    ),
    Case(
        "a stream drips for ever",
        (replace(streamed(GOOD), trickle=0.05),),
        stops="did not answer",
        seconds=2.0,
    ),
    Case("a stream drips and ends", (replace(streamed(GOOD), trickle=0.0005),), whole=1),
    Case("a stream is cut once", (_cut(streamed(GOOD)),)),
    Case("every stream is cut", (_cut(streamed(GOOD)),) * 5, stops="in the middle of a reply"),
    Case("a stream says no end", (streamed(GOOD, None, usage=None, done=False),)),
    Case("a whole answer is cut", (_cut(said(GOOD)),)),
    Case("errors inside the stream", (DEAD,) * 5, stops="the engine died"),
    Case("limited once", (LIMITED,)),
    Case("limited, and says until when", (replace(LIMITED, headers=(("Retry-After", "1"),)),)),
    Case(
        "limited for a day",
        (replace(LIMITED, headers=(("Retry-After", "86400"),)),),
        stops="again in 86400 s",
    ),
    Case("limited for no time", (replace(LIMITED, headers=(("Retry-After", "-1e999"),)),)),
    Case("always limited", (LIMITED,) * 5, stops="limits requests"),
    Case("fails once", (failed(500, "overloaded"),)),
    Case("always fails", (failed(503, "overloaded"),) * 5, stops="failed, with up to 4 retries"),
    Case("a gateway's page", (replace(PAGE, status=502),) * 5, stops="failed, with up to 4 retries"),
    Case("a web page", (PAGE,), stops="no chat completion"),
    Case("broken JSON", (Answer('{"choices": [{'),), stops="no chat completion"),
    Case("a list", (Answer("[1, 2]"),), stops="no chat completion"),
    Case("nothing at all", (Answer(""),), stops="no chat completion"),
    Case("no choices", (Answer('{"choices": []}'),), stops="no chat completion"),
    Case("a mountain of bytes", (said("x" * ANSWER_BYTES),), stops="no chat completion"),
    Case("null for content", (_silent(),), whole=1),
    Case("null for content, always", (_silent(),) * 3, whole=3),
    Case("a refusal", (_silent(refusal="I cannot help with that."),), whole=1),
    Case("tool calls", (_silent(tool_calls=TOOLS),), whole=1),
    Case("an enormous reply", (streamed(ENORMOUS),), whole=1),
    Case("bytes that are no UTF-8", (Answer(NO_UTF8),), whole=1),
    Case("the wrong fields", (streamed('{"idea": "more"}'),), whole=1),
    Case("numbers as strings", (streamed(proposal(1, predicted_entropy="0.3")),), whole=1),
    Case("a reply cut at a limit", (streamed(GOOD[:80], "length"),), whole=1),
    Case("wrong counts", (streamed(GOOD, usage=WRONG_COUNTS),), whole=1),
    Case("no counts", (streamed(GOOD, usage=None),), whole=1),
    Case("refuses schemas", (_unless("response_format"),) * 3, whole=1),
    Case("refuses streams", (_unless("stream"),) * 2, whole=1),
    Case("refuses the key and says it", (failed(401, f"Incorrect API key: {KEY}"),), stops="OPENAI_API_KEY"),
    Case("says the key in an error", (failed(400, f"not for {KEY}"),) * 4, stops="rejected the request"),
    Case("says the key in a reply", (streamed(proposal(1, mechanism=f"{KEY} is the key")),), whole=1),
    Case("does not know the model", (failed(404, "no such model"),), stops="--model"),
]
