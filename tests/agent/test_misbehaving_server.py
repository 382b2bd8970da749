"""A server that misbehaves, in forty ways: the researcher survives it, or stops with one clear sentence.

What was stored is never asked for again, and no key is left in the attempt's folder. Whole runs go through
some of these in tests/end_to_end.
"""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from agent.researchers import patience
from agent.researchers.base import NoProposal, ResearcherError
from tests.agent.a_conversation import CONTEXT, Connect, stored
from tests.agent.misbehaving_servers import CASES, KEY, Case, behave
from tests.agent.scripted_server import Answer, Request, ScriptedServer

FIRST = replace(CONTEXT, attempt=1)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_PAUSE", 0.01)


def proposes(connect: Connect, base_url: str, folder: Path, seconds: float = 60.0) -> str | None:
    """Why a researcher that has just been started cannot go on; None where it proposed, or was refused."""
    try:
        with suppress(NoProposal):
            connect(base_url, KEY, seconds=seconds).propose(FIRST, folder)
    except ResearcherError as stopped:
        return str(stopped)
    return None


def replies(folder: Path) -> list[str]:
    """The questions of all stored replies."""
    return [json.dumps(row["turns"]) for row in stored(folder) if row["reply"] is not None]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_researcher_survives_or_stops_with_one_sentence_and_pays_nothing_twice(
    case: Case, connect: Connect, tmp_path: Path
) -> None:
    given: list[Request] = []

    def good(request: Request) -> Answer:
        given.append(request)
        return behave(request)

    with ScriptedServer(*case.steps, *[good] * (0 if case.stops else 3)) as server:
        stopped = proposes(connect, server.base_url, tmp_path, case.seconds)
    case.require_told(stopped)
    if case.stops is not None:
        assert not replies(tmp_path)
        with ScriptedServer(good) as server:
            assert proposes(connect, server.base_url, tmp_path) is None
    asked = replies(tmp_path)
    assert len(asked) == len(set(asked)) == case.whole + len(given)
    with ScriptedServer() as server:
        assert proposes(connect, server.base_url, tmp_path) is None
    assert not server.requests
    assert not [path for path in tmp_path.iterdir() if KEY in path.read_text()]


def test_a_server_that_is_not_there_stops_a_researcher_with_one_sentence(
    connect: Connect, tmp_path: Path
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    stopped = proposes(connect, f"http://127.0.0.1:{port}/v1", tmp_path)
    assert stopped is not None
    assert "cannot be reached" in stopped
