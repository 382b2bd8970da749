"""An endpoint that misbehaves, trickles or dies stops a run with a remedy and costs nothing twice."""

from __future__ import annotations

import json
import pickle
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from agent.proposal import Proposal
from agent.researchers.base import ResearcherError
from tests.agent.a_conversation import CONTEXT, GOOD, KEY, UNMATCHED, Connect, proposal, stored
from tests.agent.scripted_server import Answer, Request, ScriptedServer, failed, said


@pytest.mark.parametrize(
    "reply",
    [
        f"Here is my idea:\n```json\n{json.dumps(proposal(), indent=2)}\n```\nGood luck!",
        f'<think>Perhaps {{"hypothesis": "no"}} first?</think>\n{GOOD}',
        GOOD.replace("Larger steps.", "Larger\n```python\nx = {1: 2}\n```\nsteps."),
    ],
    ids=["fenced", "thoughts", "raw-newlines-and-fences-inside"],
)
def test_a_server_that_ignores_the_schema_is_still_understood(
    connect: Connect, tmp_path: Path, reply: str
) -> None:
    with ScriptedServer(said(reply)) as server:
        answer = connect(server.base_url).propose(CONTEXT, tmp_path)

    assert answer.predicted_entropy == 0.28
    assert len(server.requests) == 1


def test_response_formats_that_are_rejected_are_given_up_one_by_one(connect: Connect, tmp_path: Path) -> None:
    def strict(request: Request) -> Answer:
        return failed(400, "response_format is not supported") if request.form else said(GOOD)

    with ScriptedServer(*[strict] * 4) as server:
        researcher = connect(server.base_url)
        researcher.propose(CONTEXT, tmp_path / "0003")
        researcher.propose(replace(CONTEXT, attempt=4), tmp_path / "0004")

    assert [request.form for request in server.requests] == ["json_schema", "json_object", None, None]
    assert stored(tmp_path / "0003")[0]["form"] == "text"


@pytest.mark.parametrize(
    ("answer", "remedy"),
    [
        (failed(401, f"Incorrect API key provided: {KEY}"), "OPENAI_API_KEY"),
        (failed(404, "The model does not exist"), "--model"),
        (failed(400, "maximum context length exceeded"), "maximum context length"),
        (failed(402, f"no money left on {KEY}"), "no money left"),
        (Answer("<html>Welcome</html>", content_type="text/html"), "OPENAI_BASE_URL"),
        (Answer("{broken"), "OPENAI_BASE_URL"),
        (Answer('{"choices": []}'), "OPENAI_BASE_URL"),
    ],
    ids=["wrong-key", "unknown-model", "rejected", "unpaid", "web-page", "broken-json", "no-choices"],
)
def test_an_endpoint_that_cannot_serve_stops_the_run_with_a_remedy(
    connect: Connect, tmp_path: Path, answer: Answer, remedy: str
) -> None:
    with ScriptedServer(*[answer] * 4) as server, pytest.raises(ResearcherError) as stopped:
        connect(server.base_url).propose(CONTEXT, tmp_path)

    assert remedy in str(stopped.value)
    assert "szilard resume" in str(stopped.value)
    assert KEY not in str(stopped.value)
    (row,) = stored(tmp_path)
    assert row["reply"] is None
    assert KEY not in json.dumps(row)


def test_a_server_error_is_retried(connect: Connect, tmp_path: Path) -> None:
    with ScriptedServer(failed(500, "overloaded"), said(GOOD)) as server:
        connect(server.base_url).propose(CONTEXT, tmp_path)

    assert len(server.requests) == 2
    assert len(stored(tmp_path)) == 1


def test_nothing_listening_stops_the_run_with_a_remedy(connect: Connect, tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(ResearcherError, match=f"127.0.0.1:{port}/v1 cannot be reached.*OPENAI_BASE_URL"):
        connect(f"http://127.0.0.1:{port}/v1").propose(CONTEXT, tmp_path)


def test_a_reply_that_trickles_in_for_ever_ends_on_time(connect: Connect, tmp_path: Path) -> None:
    slow = replace(said(GOOD), trickle=0.05)
    with ScriptedServer(slow) as server, pytest.raises(ResearcherError, match="did not answer"):
        connect(server.base_url, seconds=0.5).propose(CONTEXT, tmp_path)


def test_a_killed_process_leaves_a_reply_that_is_not_paid_for_twice(connect: Connect, tmp_path: Path) -> None:
    script = (
        "import os, pickle, sys, signal\n"
        "from pathlib import Path\n"
        "from agent.researchers.language_model import LanguageModelResearcher\n"
        "context = pickle.load(sys.stdin.buffer)\n"
        "LanguageModelResearcher('test-model').propose(context, Path(sys.argv[1]))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    with ScriptedServer(said("no JSON here"), said(GOOD)) as server:
        researcher = connect(server.base_url)
        killed = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path)], input=pickle.dumps(CONTEXT), check=False
        )
        with (tmp_path / "conversation.jsonl").open("a") as file:
            file.write('{"model": "test-model", "turns": [{"role": "sy')
        answer = researcher.propose(CONTEXT, tmp_path)

    assert killed.returncode == -9
    assert len(server.requests) == 2
    assert answer == Proposal.model_validate(proposal())


def test_a_repair_is_asked_for_once_and_survives_a_torn_line(connect: Connect, tmp_path: Path) -> None:
    with ScriptedServer(said(UNMATCHED), said(GOOD)) as server:
        researcher = connect(server.base_url)
        first = researcher.propose(CONTEXT, tmp_path)
        with (tmp_path / "conversation.jsonl").open("a") as file:
            file.write('{"model": "test-mo')
        second = researcher.repair(CONTEXT, first, "nothing matches", tmp_path)
        again = connect(server.base_url)
        assert again.propose(CONTEXT, tmp_path) == first
        assert again.repair(CONTEXT, first, "nothing matches", tmp_path) == second

    assert len(server.requests) == 2


def test_the_key_is_written_nowhere_and_sent_only_as_authorisation(connect: Connect, tmp_path: Path) -> None:
    leak = json.dumps(proposal(mechanism=f"The key is {KEY}."))
    with ScriptedServer(said(leak), said(GOOD)) as server:
        researcher = connect(server.base_url)
        context = replace(CONTEXT, diagnostics=f"OPENAI_API_KEY={KEY}")
        answer = researcher.propose(context, tmp_path)
        researcher.repair(context, answer, f"KeyError: {KEY}", tmp_path)

    assert answer.mechanism == "The key is [secret]."
    assert KEY not in json.dumps([request.body for request in server.requests])
    assert all(KEY not in path.read_text() for path in tmp_path.iterdir())


def test_an_endpoint_of_ones_own_needs_no_key(connect: Connect, tmp_path: Path) -> None:
    with ScriptedServer(said(GOOD)) as server:
        connect(server.base_url, key=None).propose(CONTEXT, tmp_path)

    assert server.requests[0].authorization == "Bearer none"


@pytest.mark.parametrize(
    ("base_url", "key", "names"),
    [
        (None, None, "OPENAI_API_KEY"),
        ("localhost:8000/v1", KEY, "OPENAI_BASE_URL"),
        ("http://[broken", KEY, "OPENAI_BASE_URL"),
        (None, "sk-ключ", "OPENAI_API_KEY"),
    ],
)
def test_settings_that_cannot_work_are_refused_before_anything_is_sent(
    connect: Connect, base_url: str | None, key: str | None, names: str
) -> None:
    with pytest.raises(ResearcherError, match=names):
        connect(base_url, key)
