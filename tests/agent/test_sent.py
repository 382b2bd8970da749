"""`szilard context`: what was sent, to the letter, and what would be sent, without touching the run."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from agent.cli import main
from agent.context.build import OPENING_TOKENS, instructions
from agent.sent import next_opening
from tests.agent.a_conversation import CONTEXT, GOOD, UNMATCHED, Connect
from tests.agent.a_recorded_run import make_run
from tests.agent.scripted_server import ScriptedServer, said

CONFIRMED = 0.987654321


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four attempts of the catalogue, the second kept, and a sealed result that nobody may be shown."""
    directory = tmp_path_factory.mktemp("runs") / "run"
    make_run(directory, 4)
    sealed = {"change": CONFIRMED, "selection_change": CONFIRMED, "winner": {"attempt": 2}}
    (directory / "confirmation.json").write_text(json.dumps(sealed))
    return directory


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    main(["context", *arguments])
    return capsys.readouterr().out


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["context", *arguments])
    assert ended.value.code == 2
    return capsys.readouterr().err


def state(run: Path) -> Mapping[str, tuple[int, int]]:
    """Every file and folder of a run with its size and time."""
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in run.rglob("*")}


def test_the_next_context_is_shown_for_a_run_of_the_catalogue_and_leaves_it_as_it_is(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = state(run)
    shown = printed(capsys, str(run))
    assert state(run) == before
    for part in (
        instructions().strip(),
        "This is attempt 5 of 4",
        "100,000,000 of 100,000,000 tokens",
        "Incumbent (attempt 2): score",
        "95% interval of the score over its seeds",
        "Noise floor: a change for the better of 0.0123",
        "4 | 2 | catalogue",
        "What set attempts apart",
        "Attempt 2 (kept, ",
        "LEARNING_RATE = ",
        "ClipCov(fraction=0.0002",
        "arXiv 2505.22617",
    ):
        assert part in shown
    assert str(CONFIRMED)[:6] not in shown
    assert "===== user =====" in shown


def test_the_next_context_as_json_is_the_opening_with_its_tokens(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = json.loads(printed(capsys, str(run), "--json"))
    opening = next_opening(run)
    assert [turn["content"] for turn in told["turns"]] == [turn.content for turn in opening.turns]
    assert (told["number"], told["parent"]) == (5, 2)
    assert 0 < told["tokens"] == opening.tokens <= OPENING_TOKENS


def test_a_run_under_way_is_read_beside_its_process(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (run / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "This is attempt 5 of 4" in printed(capsys, str(run))
    (run / "lock").unlink()


def test_what_was_sent_is_shown_to_the_letter_repairs_included(
    run: Path, capsys: pytest.CaptureFixture[str], connect: Connect
) -> None:
    folder = run / "attempts" / "0007"
    with ScriptedServer(said("no \x1b[2J"), said(UNMATCHED), said(GOOD)) as server:
        researcher = connect(server.base_url)
        first = researcher.propose(CONTEXT, folder)
        researcher.repair(CONTEXT, first, "SEARCH matches nothing", folder)
    told = json.loads(printed(capsys, str(run), "7", "--json"))
    assert [exchange["turns"] for exchange in told] == [request.messages for request in server.requests]
    assert [exchange["reply"] for exchange in told] == ["no \x1b[2J", UNMATCHED, GOOD]
    shown = printed(capsys, str(run), "7")
    assert "\x1b" not in shown
    last = [message["content"] for message in server.requests[-1].messages]
    assert all(shown.count(content) == 1 for content in last if "\x1b" not in content)
    assert shown.count("===== user =====") == 3
    assert shown.rstrip().endswith(GOOD)


def test_an_attempt_for_which_no_model_was_asked_is_told_of_in_a_sentence(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "it was proposed by the catalogue researcher" in refusal(capsys, str(run), "3")
    assert "it was proposed by nobody yet" in refusal(capsys, str(run), "40")


def test_a_run_that_was_killed_before_its_baseline_says_so(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run.json").write_text((run / "run.json").read_text())
    assert "has no measured baseline yet" in refusal(capsys, str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]
