"""Fuzzed: run.json, the replies of a language model, and the file in which a conversation is kept."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.researchers.base import NoProposal
from agent.researchers.conversation import Conversation, Turn
from agent.researchers.endpoint import Endpoint, Reply
from agent.researchers.language_model import LanguageModelResearcher
from agent.settings import InvalidRun, RunSettings
from environments.base import SzilardError
from tests.agent.a_conversation import CONTEXT, GOOD, proposal
from tests.fuzzing import fuzzed, json_values, mangled, mangled_bytes, nothing_outside, spoilt, spoilt_json
from tests.workspaces import a_run
from workspaces.review import status
from workspaces.review.record import read_run

SETTINGS: dict[str, Any] = json.loads(json.dumps(a_run.settings()))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("watched")


@fuzzed
@given(spoilt_json(SETTINGS))
@example(b"[" * 100_000)
@example(b'{"format": ' + b"9" * 5000 + b"}")
@example(json.dumps({**SETTINGS, "goal": "\ud800"}).encode())
@example(json.dumps({**SETTINGS, "minutes": 1e308, "seeds": 10**400}).encode())
def test_any_run_file_is_read_or_refused(folder: Path, data: bytes) -> None:
    with nothing_outside(folder):
        (folder / "run.json").write_bytes(data)
        try:
            settings = RunSettings.read(folder)
            run = read_run(folder, settings.model_dump(mode="json"))
            status.summary(run)
        except SzilardError as error:
            message = str(error)
            assert len(message) < 2_000
        assert (folder / "run.json").read_bytes() == data
    assert isinstance(InvalidRun("x"), SzilardError)


class Scripted(Endpoint):
    """Says what it is given; the wire has tests of its own."""

    def __init__(self, replies: Sequence[str]) -> None:
        super().__init__("fuzzed", {}, {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}, 1.0)
        self.replies = list(replies)

    def ask(self, turns: Sequence[Turn], attempt: int) -> Reply:
        return Reply(self.replies.pop(0), "text", "stop", "fuzzed", 1, 1, 0.0)


replies = (
    mangled(GOOD)
    | spoilt(proposal()).map(json.dumps)
    | st.lists(
        st.sampled_from([GOOD, "<think>", "</think>", "```json", '{"edits": [', "{", '{"', "}", "\\ud800"])
    ).map("".join)
    | st.text(max_size=80)
)


@fuzzed
@given(st.lists(replies, min_size=3, max_size=3))
@example(['{"a": ' * 50_000, '{"hypothesis": ' * 20_000, "[" * 200_000])
@example(['{"' * 100_000, "{" * 200_000, '{"a":{"a":' * 15_000])
@example(
    [
        '{"hypothesis": "' + "x" * 150_000 + '"}',
        '{"edits": [' + "1," * 90_000 + "1]}",
        '{"edits": 1' + "0" * 9_000 + "}",
    ]
)
@example(
    [
        '{"predicted_score_change": 1e999, "hypothesis": NaN}',
        '{"edits": {"a": 1}}',
        '{"hypothesis": "\\ud800aaaaaaa"}',
    ]
)
@example(["\ud83d" + GOOD, GOOD, GOOD])
@example([GOOD.replace("LEARNING", "\ud83dLEARNING", 1), GOOD, GOOD])
@example([json.dumps(proposal(hypothesis="\ud800 half a character")), "", ""])
def test_any_replies_end_in_a_proposal_or_in_none_and_are_found_again(folder: Path, said: list[str]) -> None:
    researcher = LanguageModelResearcher("fuzzed", replies=Scripted(said))
    attempt = folder / "attempt"
    shutil.rmtree(attempt, ignore_errors=True)
    with nothing_outside(folder):
        try:
            found = researcher.propose(CONTEXT, attempt)
        except NoProposal:
            return
        finally:
            assert Conversation(attempt).last(lambda _: True) is not None
        assert 8 <= len(found.hypothesis) <= 200
        found.model_dump_json()
        assert researcher.propose(CONTEXT, attempt) == found


LINE = {
    "model": "fuzzed",
    "turns": [{"role": "user", "content": "x"}],
    "reply": GOOD,
    "error": None,
    "seconds": 1.0,
}


@fuzzed
@given(
    st.lists(
        spoilt(LINE).map(lambda row: json.dumps(row).encode())
        | mangled_bytes(json.dumps(LINE).encode())
        | json_values.map(lambda value: json.dumps(value).encode())
        | st.binary(max_size=30),
        max_size=3,
    )
)
@example([b"[" * 100_000])
@example([json.dumps({**LINE, "reply": 5}).encode()])
@example([json.dumps({**LINE, "reply": []}).encode()])
@example([json.dumps({**LINE, "turns": [{"role": 1, "content": None}]}).encode()])
@example([b"9" * 5000])
def test_any_conversation_that_is_kept_is_read_or_asked_again(folder: Path, lines: list[bytes]) -> None:
    with nothing_outside(folder):
        (folder / "conversation.jsonl").write_bytes(b"\n".join(lines))
        found = Conversation(folder).last(lambda exchange: len(exchange.reply or "") >= 0)
        assert found is None or isinstance(found.reply, str)
        assert found is None or all(isinstance(turn.content, str) for turn in found.turns)
