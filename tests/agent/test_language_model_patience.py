"""A server that is busy is asked again, after the time that it names or growing pauses, and not for ever."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from agent.events import Event, Message
from agent.researchers import patience
from agent.researchers.base import ResearcherError
from tests.agent.a_conversation import CONTEXT, GOOD, Connect
from tests.agent.scripted_server import Answer, ScriptedServer, failed, streamed


def limited(retry_after: str | None, message: str = "Rate limit reached", status: int = 429) -> Answer:
    busy = failed(status, message)
    headers = () if retry_after is None else (("Retry-After", retry_after),)
    return Answer(busy.body, busy.status, headers=headers)


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_PAUSE", 0.01)


@pytest.mark.usefixtures("short_pauses")
@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 529])
def test_what_may_pass_is_asked_again(connect: Connect, tmp_path: Path, status: int) -> None:
    with ScriptedServer(*[failed(status, "busy")] * patience.RETRIES, streamed(GOOD)) as server:
        connect(server.base_url).propose(CONTEXT, tmp_path)
    assert len(server.requests) == 1 + patience.RETRIES


@pytest.mark.usefixtures("short_pauses")
@pytest.mark.parametrize("status", [401, 402, 403, 404, 413])
def test_what_will_not_pass_is_asked_once(connect: Connect, tmp_path: Path, status: int) -> None:
    with ScriptedServer(*[failed(status, "no")] * 2) as server, pytest.raises(ResearcherError):
        connect(server.base_url).propose(CONTEXT, tmp_path)
    assert len(server.requests) == 1


def test_pauses_grow(connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_PAUSE", 0.1)
    began = time.monotonic()
    with ScriptedServer(*[limited(None)] * 3, streamed(GOOD)) as server:
        connect(server.base_url).propose(CONTEXT, tmp_path)
    assert 0.75 * (0.1 + 0.2 + 0.4) <= time.monotonic() - began < 5


@pytest.mark.usefixtures("short_pauses")
def test_the_time_that_a_server_names_is_waited_and_told(connect: Connect, tmp_path: Path) -> None:
    told: list[Event] = []
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    began = time.monotonic()
    with ScriptedServer(limited("1"), limited(soon, status=503), streamed(GOOD)) as server:
        connect(server.base_url, observer=told.append).propose(CONTEXT, tmp_path)
    assert 1.0 <= time.monotonic() - began < 6
    waits = [event.text for event in told if isinstance(event, Message)]
    assert len(waits) == 2
    assert waits[0].startswith("attempt 3: http://127.0.0.1")
    assert waits[0].endswith("Asking again in 1.0 s.")


@pytest.mark.usefixtures("short_pauses")
@pytest.mark.parametrize("absurd", ["-5", "nan", "inf", "soon", "", "1e999", "Thu, 99 Foo 20", "9" * 400])
def test_a_time_that_is_none_is_not_waited(connect: Connect, tmp_path: Path, absurd: str) -> None:
    began = time.monotonic()
    with ScriptedServer(limited(absurd), streamed(GOOD)) as server:
        connect(server.base_url).propose(CONTEXT, tmp_path)
    assert time.monotonic() - began < 5


@pytest.mark.usefixtures("short_pauses")
@pytest.mark.parametrize("far", ["86400", "1e300", "Wed, 21 Oct 2099 07:28:00 GMT"])
def test_a_server_that_wants_more_time_than_there_is_stops_the_run_at_once(
    connect: Connect, tmp_path: Path, far: str
) -> None:
    began = time.monotonic()
    with (
        ScriptedServer(limited(far)) as server,
        pytest.raises(ResearcherError, match=r"to be asked again in \d+ s.*szilard resume"),
    ):
        connect(server.base_url).propose(CONTEXT, tmp_path)
    assert time.monotonic() - began < 5


@pytest.mark.usefixtures("short_pauses")
def test_an_empty_account_is_not_asked_again(connect: Connect, tmp_path: Path) -> None:
    body = '{"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}'
    with ScriptedServer(*[Answer(body, 429)] * 2) as server, pytest.raises(ResearcherError, match="quota"):
        connect(server.base_url).propose(CONTEXT, tmp_path)
    assert len(server.requests) == 1


@pytest.mark.usefixtures("short_pauses")
def test_a_silent_server_is_asked_again(connect: Connect, tmp_path: Path) -> None:
    silent = Answer("", wait=1.5)
    with ScriptedServer(silent, streamed(GOOD)) as server:
        connect(server.base_url, seconds=2.0).propose(CONTEXT, tmp_path)
    assert len(server.requests) == 2
