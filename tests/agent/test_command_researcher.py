"""A program that proposes: a real script in the real sandbox; whatever it does is one clear outcome."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from agent.program import InvalidProgram, Program, program_of
from agent.proposal import Proposal
from agent.researchers import command
from agent.researchers.base import NoProposal
from agent.researchers.command import CommandResearcher
from tests.agent.a_conversation import CONTEXT, RECIPE, stored
from workspaces.edits import apply_edits
from workspaces.remarks import Remark
from workspaces.sandbox import choose_sandbox

ANSWER = """
import json, os, pathlib, sys
said = {"hypothesis": "A higher rate trains harder", "mechanism": "Larger steps.",
        "predicted_score_change": 0.004, "predicted_entropy": 0.28}
recipe = pathlib.Path("recipe.py")
def propose(**changes):
    pathlib.Path(".szilard/proposal.json").write_text(json.dumps({**said, **changes}))
def edit(rate="5e-5"):
    recipe.write_text(recipe.read_text().replace("3e-5", rate))
"""
GOOD = "edit(); propose()"
EDITED = RECIPE.replace("3e-5", "5e-5")

Asks = Callable[..., CommandResearcher]
probed_once = cache(choose_sandbox)


@pytest.fixture
def asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asks:
    monkeypatch.setattr(command, "choose_sandbox", probed_once)

    def asks(
        script: str, *, sandbox: str = "auto", seconds: float = 60, **given: object
    ) -> CommandResearcher:
        file = tmp_path / "agent.py"
        file.write_text(ANSWER + script)
        program = Program.model_validate({"command": ("python", str(file)), "seconds": seconds, **given})
        return CommandResearcher(program, sandbox)

    return asks


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "attempt"
    made.mkdir()
    return made


@pytest.fixture
def once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No repair: the program is asked once."""
    monkeypatch.setattr(command, "REPAIRS", 0)


def edited(proposal: Proposal) -> str:
    after = apply_edits(CONTEXT.files, proposal.edits, editable=CONTEXT.spec.editable, protected=())
    return after["recipe.py"]


@pytest.mark.parametrize("sandbox", ["auto", "landlock", "none"])
def test_what_a_program_leaves_in_the_tree_is_its_proposal(asks: Asks, folder: Path, sandbox: str) -> None:
    proposal = asks(f"{GOOD}\nprint('thinking aloud')", sandbox=sandbox).propose(CONTEXT, folder)
    assert edited(proposal) == EDITED
    assert (proposal.predicted_score_change, proposal.predicted_entropy) == (0.004, 0.28)
    assert proposal.edits[0].search is not None
    (exchange,) = stored(folder)
    assert exchange["reply"].strip() == "thinking aloud"
    assert CONTEXT.goal in exchange["turns"][0]["content"]


def test_it_is_shown_the_context_as_a_file_and_what_a_person_says(asks: Asks, folder: Path) -> None:
    told = replace(CONTEXT, remarks=(Remark(attempt=None, text="Leave the rate alone", created="2026"),))
    asks(f"{GOOD}\nprint(open('.szilard/CONTEXT.md').read())").propose(told, folder)
    (exchange,) = stored(folder)
    for words in (CONTEXT.goal, "Leave the rate alone", "LEARNING_RATE = 3e-5", ".szilard/proposal.json"):
        assert words in exchange["reply"]


def test_asked_again_it_answers_the_same_and_is_not_run_again(asks: Asks, folder: Path) -> None:
    first = asks(GOOD).propose(CONTEXT, folder)
    again = asks("raise SystemExit('it was run again')").propose(CONTEXT, folder)
    assert again == first
    assert len(stored(folder)) == 1


def test_a_repair_finds_the_tree_as_it_was_left_and_the_failure(asks: Asks, folder: Path) -> None:
    first = asks(GOOD).propose(CONTEXT, folder)
    script = "assert 'it broke' in open('.szilard/CONTEXT.md').read()\n"
    script += "recipe.write_text(recipe.read_text().replace('5e-5', '6e-5')); propose()"
    mended = asks(script).repair(CONTEXT, first, "it broke", folder)
    assert edited(mended) == RECIPE.replace("3e-5", "6e-5")
    last = asks("raise SystemExit(3)").repair
    with pytest.raises(NoProposal, match="after 2 repairs: The program ended with exit code 3"):
        last(CONTEXT, mended, "it broke again", folder)
    assert len(stored(folder)) == 3


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("edit(); propose(); sys.exit('I give up')", "ended with exit code 1: I give up"),
        ("edit()", "There is no file .szilard/proposal.json"),
        ("propose()", "Nothing was changed"),
        ("edit(); pathlib.Path('.szilard/proposal.json').write_text('{')", "is no proposal: the object"),
        ("edit(); propose(hypothesis='x')", "is no proposal: hypothesis"),
        ("edit(); propose(predicted_score_change=1e400)", "is no proposal: predicted_score_change"),
        ("edit(); propose(predicted_entropy=None)", "predicted_entropy is missing"),
        ("edit(); propose(edits=[])", "is no proposal: edits"),
        (f"{GOOD}; open('train.py', 'a').write('x')", "train.py may not be changed"),
        (f"{GOOD}; open('secret.txt', 'w').write('x')", "secret.txt may not be changed or added"),
        (f"{GOOD}; os.remove('entropy_control.py')", "entropy_control.py was deleted"),
        (f"{GOOD}; recipe.write_bytes(bytes([255]))", "recipe.py is no text"),
        (f"{GOOD}; recipe.write_text('x' * 300_000)", "recipe.py is no text in UTF-8 of at most 256 KiB"),
        (f"{GOOD}; os.symlink('/etc/passwd', 'linked.py')\nos.remove('recipe.py')", "recipe.py was deleted"),
    ],
)
def test_every_way_to_fail_is_told_in_one_line(
    asks: Asks, folder: Path, script: str, why: str, once: None
) -> None:
    with pytest.raises(NoProposal) as refused:
        asks(script).propose(CONTEXT, folder)
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)


def test_one_that_never_answers_is_asked_three_times(asks: Asks, folder: Path) -> None:
    with pytest.raises(NoProposal, match="after 2 repairs: Nothing was changed"):
        asks("print(open('.szilard/CONTEXT.md').read())").propose(CONTEXT, folder)
    said = [row["reply"] for row in stored(folder)]
    assert ["could not be used" in one for one in said] == [False, True, True]
    assert "Further tries after this one: 0" in said[2]


def test_one_that_does_not_end_and_one_that_floods_are_ended(asks: Asks, folder: Path, once: None) -> None:
    with pytest.raises(NoProposal, match="ended by its limit: wall time 1 s"):
        asks("import time; time.sleep(600)", seconds=1).propose(CONTEXT, folder)
    other = folder.with_name("other")
    other.mkdir()
    with pytest.raises(NoProposal, match="ended by its limit: output"):
        asks("while True: print('x' * 10**6)").propose(CONTEXT, other)
    assert all(len(row["reply"]) < 100_000 for row in stored(other))


def test_its_own_hidden_files_are_not_read(asks: Asks, folder: Path) -> None:
    script = (
        f"{GOOD}\nos.mkdir('.agent'); open('.agent/history', 'w').write('x'); open('.rc', 'w').write('x')"
    )
    assert edited(asks(script).propose(CONTEXT, folder)) == EDITED


def test_it_sees_no_variable_but_those_it_is_given_and_no_network(
    asks: Asks, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-this-is-not-for-the-program-0")
    monkeypatch.setenv("GIVEN", "value-of-the-given-one")
    script = f"""
{GOOD}
import socket
assert "OPENAI_API_KEY" not in os.environ
print("given", os.environ["GIVEN"])
recipe.write_text(recipe.read_text() + "# " + os.environ["GIVEN"] + "\\n")
propose(mechanism="I know " + os.environ["GIVEN"])
try:
    socket.create_connection(("127.0.0.1", 9), timeout=2)
except OSError as error:
    print("no network:", type(error).__name__)
"""
    proposal = asks(script, environment=("GIVEN",)).propose(CONTEXT, folder)
    assert "[secret]" in proposal.mechanism
    assert "no network" in stored(folder)[0]["reply"]
    for path in folder.rglob("*"):
        assert b"value-of-the-given-one" not in path.read_bytes(), path


def test_its_folder_in_the_tree_is_no_way_out(asks: Asks, folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    script = f"{GOOD}\ntry:\n    open({str(outside)!r}, 'w')\nexcept OSError as error:\n    print('kept in')"
    asks(script).propose(CONTEXT, folder)
    assert not outside.exists()


def test_a_program_is_checked_before_the_run_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "agent.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    program = program_of("./agent.sh --fast", (), "none", 60.0)
    assert program.command == (str(script), "--fast")
    assert program.shown == {0: script}
    assert program_of("python agent.sh", (), "none", 60.0).shown == {1: script}
    assert program_of("python missing.sh", (), "none", 60.0).shown == {}
    for wrong, why in (
        (("no-such-program", (), "none"), "there is no program"),
        (("", (), "none"), "is empty"),
        (("sh 'open", (), "none"), "cannot be read as a shell would"),
        (("sh -c x", ("NOT_SET",), "none"), "NOT_SET: this variable is not set"),
        (("sh -c x", (), "api.example.com:443"), "no sandbox here can open one endpoint"),
        (("sh -c 'KEY=sk-0123456789abcdefghijklmn x'", (), "none"), "holds a secret"),
    ):
        with pytest.raises(InvalidProgram, match=why):
            program_of(*wrong, 60.0)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(InvalidProgram, match="does not show unless it is named by its path"):
        program_of("agent.sh", (), "none", 60.0)


def test_the_program_runs_with_the_python_of_szilard(asks: Asks, folder: Path) -> None:
    asks(f"{GOOD}\nprint(sys.executable)").propose(CONTEXT, folder)
    assert stored(folder)[0]["reply"].strip() == sys.executable
    assert json.loads((folder / "answer-0.json").read_text())["problem"] is None
