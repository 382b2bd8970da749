"""A server that misbehaves: a whole run survives it, or stops with one clear sentence and goes on.

What was stored is never asked for again, and no key is left anywhere in the run. All the ways in which a
server misbehaves are tried on a researcher, in tests/agent.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent import run as engine
from agent.events import Event
from agent.researchers import patience
from agent.researchers.base import ResearcherError
from tests.agent import misbehaving_servers
from tests.agent.misbehaving_servers import KEY, behave
from tests.agent.scripted_server import Answer, Request, ScriptedServer, failed
from tests.end_to_end.a_short_run import SZILARD, trailer

pytestmark = pytest.mark.slow

ENVIRONMENT = str(Path(__file__).parent / "instant_domain.py")
ATTEMPTS = 2


CASES = [
    "every stream is cut",
    "limited, and says until when",
    "a web page",
    "null for content, always",
    "refuses the key and says it",
    "says the key in a reply",
]


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has its baseline, and stopped at its first question."""
    run = tmp_path_factory.mktemp("runs") / "begun"
    command = [
        *(SZILARD, "run", "Solve more", "--environment", ENVIRONMENT, "--runs-dir", str(run.parent)),
        *("--name", run.name, "--metric", "luck", "--attempts", str(ATTEMPTS), "--seeds", "2"),
        *("--workers", "1", "--sandbox", "none", "--model", "scripted"),
    ]
    with ScriptedServer(failed(401, "no")) as server:
        reach = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": KEY}
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **reach})
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    return run


@pytest.fixture
def run(begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr(patience, "FIRST_PAUSE", 0.01)
    copy = tmp_path / "run"
    shutil.copytree(begun, copy, symlinks=True)
    yield copy
    assert not [name for name, data in left_in(copy) if KEY.encode() in data]


def left_in(run: Path) -> Iterator[tuple[str, bytes]]:
    """Every file of a run, and every object of its ledger in one piece."""
    yield from ((str(path), path.read_bytes()) for path in run.rglob("*") if path.is_file())
    command = ["git", "-C", str(run / "repository"), "cat-file", "--batch-all-objects", "--batch"]
    yield "objects", subprocess.run(command, capture_output=True, check=True).stdout


def stored(run: Path) -> list[dict[str, Any]]:
    lines = [
        line for path in run.glob("attempts/*/conversation.jsonl") for line in path.read_text().splitlines()
    ]
    return [row for row in map(json.loads, lines) if row["reply"] is not None]


def resumed(run: Path, base_url: str, monkeypatch: pytest.MonkeyPatch) -> tuple[list[Event], str | None]:
    """What a run told as it went on, and why it stopped before its end, if it did."""
    monkeypatch.setenv("OPENAI_BASE_URL", base_url)
    told: list[Event] = []
    try:
        engine.resume(run, told.append)
    except ResearcherError as stopped:
        return told, str(stopped)
    return told, None


def require_ended(run: Path, replies: int) -> None:
    assert all(trailer(run, number, "Verdict") for number in range(1, ATTEMPTS + 1))
    questions = [json.dumps(row["turns"]) for row in stored(run)]
    assert len(questions) == len(set(questions)) == replies


@pytest.mark.parametrize("name", CASES)
def test_a_run_survives_or_stops_with_one_sentence_and_pays_nothing_twice(
    name: str, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = next(case for case in misbehaving_servers.CASES if case.name == name)
    given: list[Request] = []

    def good(request: Request) -> Answer:
        given.append(request)
        return behave(request)

    with ScriptedServer(*case.steps, *[good] * (0 if case.stops else 5)) as server:
        told, stopped = resumed(run, server.base_url, monkeypatch)
    assert KEY not in repr(told)
    case.require_told(stopped)
    if case.stops is not None:
        assert not stored(run)
        with ScriptedServer(*[good] * 5) as server:
            assert resumed(run, server.base_url, monkeypatch)[1] is None
    require_ended(run, case.whole + len(given))
    with ScriptedServer() as server:
        assert resumed(run, server.base_url, monkeypatch)[1] is None
    assert not server.requests
