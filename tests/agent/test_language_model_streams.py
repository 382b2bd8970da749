"""A reply that comes in pieces: shown as it comes, whole or not used at all, counted, bounded, on time."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.events import Event, Message, Progress
from agent.researchers import endpoint, patience
from agent.researchers.base import NoProposal, ResearcherError
from agent.researchers.completion import (
    REPLY_CHARACTERS,
    Completion,
    CutOff,
    NoCompletion,
    read_stream,
    read_whole,
)
from tests.agent.a_conversation import CONTEXT, GOOD, Connect, stored
from tests.agent.scripted_server import Answer, Request, ScriptedServer, failed, said, streamed
from tests.fuzzing import fuzzed


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_PAUSE", 0.01)


def cut_off(answer: Answer, share: float) -> Answer:
    """The answer cut off after a share of its bytes."""
    return replace(answer, cut=int(share * len(answer.body)))


def test_a_streamed_reply_is_shown_as_it_comes_and_stored_whole_with_its_counts(
    connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "TOLD_EVERY", 0.0)
    told: list[Event] = []
    with ScriptedServer(streamed(GOOD)) as server:
        answer = connect(server.base_url, observer=told.append).propose(CONTEXT, tmp_path)

    assert answer.predicted_entropy == 0.28
    body = server.requests[0].body
    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})
    (row,) = stored(tmp_path)
    assert (row["reply"], row["form"], row["finish_reason"]) == (GOOD, "json_schema", "stop")
    assert (row["prompt_tokens"], row["completion_tokens"], row["served_by"]) == (1200, 80, "scripted-2026")
    shown = [event for event in told if isinstance(event, Progress)]
    assert {(event.attempt, event.phase) for event in shown} == {(3, "propose")}
    assert shown[0].detail == "asks test-model"
    counts = [int((event.detail or "").removesuffix(" characters")) for event in shown[1:]]
    assert len(counts) > 5
    assert counts == sorted(counts)
    assert counts[-1] == len(GOOD)


@pytest.mark.parametrize(
    "refusal",
    [
        failed(400, "Unsupported parameter: 'stream_options'"),
        failed(422, "stream: extra fields not permitted"),
        failed(501, "streaming is not implemented"),
    ],
)
def test_where_a_server_refuses_to_stream_it_is_asked_for_the_whole_and_keeps_the_schema(
    connect: Connect, tmp_path: Path, refusal: Answer
) -> None:
    def strict(request: Request) -> Answer:
        return refusal if request.streams else said(GOOD)

    with ScriptedServer(*[strict] * 3) as server:
        researcher = connect(server.base_url)
        researcher.propose(CONTEXT, tmp_path / "0003")
        researcher.propose(replace(CONTEXT, attempt=4), tmp_path / "0004")

    asked = [(request.form, request.streams) for request in server.requests]
    assert asked == [("json_schema", True), ("json_schema", False), ("json_schema", False)]
    assert stored(tmp_path / "0003")[0]["completion_tokens"] == 80


def test_a_server_that_does_not_count_what_it_streams_is_asked_for_wholes_from_then_on(
    connect: Connect, tmp_path: Path
) -> None:
    def forgetful(request: Request) -> Answer:
        return streamed(GOOD, usage=None) if request.streams else said(GOOD)

    with ScriptedServer(*[forgetful] * 2) as server:
        researcher = connect(server.base_url)
        researcher.propose(CONTEXT, tmp_path / "0003")
        researcher.propose(replace(CONTEXT, attempt=4), tmp_path / "0004")

    assert stored(tmp_path / "0003")[0]["completion_tokens"] is None
    assert stored(tmp_path / "0004")[0]["completion_tokens"] == 80


def test_an_answer_is_read_as_what_it_is_and_not_as_what_was_asked_for(
    connect: Connect, tmp_path: Path
) -> None:
    with ScriptedServer(said(GOOD)) as server:
        connect(server.base_url).propose(CONTEXT, tmp_path)
    assert server.requests[0].streams
    assert stored(tmp_path)[0]["reply"] == GOOD


@pytest.mark.parametrize(
    "broken",
    [
        cut_off(streamed(GOOD), 0.6),
        cut_off(streamed(GOOD), 0.02),
        streamed(GOOD, None, usage=None, done=False),
        cut_off(said(GOOD), 0.6),
        replace(streamed(GOOD), body='data: {"error": {"message": "the engine died"}}\n\n'),
        replace(streamed(GOOD), body="data: {broken\n\n"),
    ],
    ids=["in-a-word", "in-the-first-piece", "no-reason-to-end", "whole", "an-error-inside", "no-json"],
)
def test_a_reply_that_was_cut_off_is_asked_for_again_and_never_used(
    connect: Connect, tmp_path: Path, broken: Answer
) -> None:
    told: list[Event] = []
    with ScriptedServer(broken, streamed(GOOD)) as server:
        answer = connect(server.base_url, observer=told.append).propose(CONTEXT, tmp_path)

    assert answer.predicted_entropy == 0.28
    assert len(server.requests) == 2
    assert [row["reply"] for row in stored(tmp_path)] == [GOOD]
    assert any(isinstance(event, Message) and "Asking again in" in event.text for event in told)


def test_a_server_that_always_cuts_off_stops_the_run_with_a_sentence(
    connect: Connect, tmp_path: Path
) -> None:
    broken = cut_off(streamed(GOOD), 0.6)
    with (
        ScriptedServer(*[broken] * 5) as server,
        pytest.raises(ResearcherError, match=r"ended in the middle of a reply.*szilard resume"),
    ):
        connect(server.base_url).propose(CONTEXT, tmp_path)
    assert len(server.requests) == 1 + patience.RETRIES
    assert [row["reply"] for row in stored(tmp_path)] == [None]


def test_a_reply_whose_end_was_announced_needs_no_mark_behind_it(connect: Connect, tmp_path: Path) -> None:
    with ScriptedServer(streamed(GOOD, done=False)) as server:
        connect(server.base_url).propose(CONTEXT, tmp_path)
    assert len(server.requests) == 1


def test_a_stream_that_drips_for_ever_ends_on_time(connect: Connect, tmp_path: Path) -> None:
    began = time.monotonic()
    slow = replace(streamed(GOOD), trickle=0.01)
    with (
        ScriptedServer(slow) as server,
        pytest.raises(ResearcherError, match=r"did not answer .* within 1 s"),
    ):
        connect(server.base_url, seconds=1.0).propose(CONTEXT, tmp_path)
    assert time.monotonic() - began < 3


def test_a_stream_without_end_is_read_only_as_far_as_a_reply_may_reach(
    connect: Connect, tmp_path: Path
) -> None:
    endless = streamed("x" * (2 * REPLY_CHARACTERS))
    with (
        ScriptedServer(*[endless] * 3) as server,
        pytest.raises(NoProposal, match="more than 200000 characters"),
    ):
        connect(server.base_url).propose(CONTEXT, tmp_path)
    assert [len(row["reply"]) for row in stored(tmp_path)] == [REPLY_CHARACTERS + 1] * 3


def test_thoughts_count_as_progress_and_are_no_reply(connect: Connect, tmp_path: Path) -> None:
    thinking = streamed(GOOD).body
    assert isinstance(thinking, str)
    thought = json.dumps({"choices": [{"index": 0, "delta": {"reasoning_content": "Hm. " * 50}}]})
    with ScriptedServer(replace(streamed(GOOD), body=f"data: {thought}\n\n{thinking}")) as server:
        connect(server.base_url).propose(CONTEXT, tmp_path)
    assert stored(tmp_path)[0]["reply"] == GOOD


def read(data: bytes, *, size: int, streams: bool) -> Completion:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(data), size):
            yield data[start : start + size]

    async def read_it() -> Completion:
        return await (read_stream(chunks(), lambda _: None) if streams else read_whole(chunks()))

    return asyncio.run(read_it())


@fuzzed
@given(st.text(max_size=300), st.integers(1, 50))
def test_how_the_bytes_are_cut_into_chunks_changes_nothing(text: str, size: int) -> None:
    for answer, streams in ((streamed(text), True), (said(text), False)):
        assert isinstance(answer.body, str)
        assert read(answer.body.encode(), size=size, streams=streams) == Completion(
            text, "stop", "scripted-2026", 1200, 80
        )


@fuzzed
@given(
    st.binary(max_size=200) | st.text(max_size=50).map(lambda text: b"data: " + text.encode()), st.booleans()
)
def test_any_bytes_are_a_completion_or_none(data: bytes, streams: bool) -> None:
    with pytest.raises((NoCompletion, CutOff)):
        read(data, size=7, streams=streams)


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({"prompt_tokens": "1200", "completion_tokens": 80}, (1200, 80)),
        ({"prompt_tokens": -5, "completion_tokens": 80}, (None, 80)),
        ({"prompt_tokens": 1e3, "completion_tokens": True}, (None, None)),
        ({"prompt_tokens": 10**18, "completion_tokens": "9" * 30}, (None, None)),
        ("many", (None, None)),
    ],
)
def test_a_count_that_cannot_be_right_is_not_known(usage: Any, counts: tuple[int | None, int | None]) -> None:
    body = said(GOOD, usage=usage).body
    assert isinstance(body, str)
    found = read(body.encode(), size=100, streams=False)
    assert (found.prompt_tokens, found.completion_tokens) == counts
