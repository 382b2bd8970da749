"""Fuzzed: edits, commit messages, and the files that users bring.

Those are the files of controls; an environment that is written as TOML has its place at the end, beside them.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from agent.check import CheckFailed, check_code
from agent.proposal import Proposal
from environments.base import matches
from tests.fuzzing import INPUTS, fuzzed, mangled, nothing_outside
from workspaces.attempts import read_attempt
from workspaces.commits import read_commits
from workspaces.controls import SHIPPED, NotAControl, parse_control, read_control, refuse_taken, tuning
from workspaces.edits import EditError, apply_edits
from workspaces.ledger import Ledger
from workspaces.normalised_code import normalised_code
from workspaces.trailers import code_message, result_message

BATCH = 50
FILES = {
    "recipe.py": "LEARNING_RATE = 1e-4\nSTEPS = 100\n\n\ndef train(policy):\n    return policy\n",
    "controls/clip.py": "CLIP = 0.2\n",
    "train.py": "import recipe\n",
}
EDITABLE, PROTECTED = ("recipe.py", "controls/**/*.py", "*.txt"), ("train.py", "controls/batch.py")

paths = st.sampled_from(
    [
        *FILES,
        "controls/new.py",
        "../x.txt",
        "/etc/x.txt",
        "-rf.txt",
        "a/../train.py",
        "TRAIN.PY",
        ".git/config",
        "x.txt",
    ]
) | st.text(max_size=20)
texts = st.text(max_size=60) | st.sampled_from(list(FILES.values())).flatmap(mangled)
edits = st.fixed_dictionaries(
    {"path": paths | paths.flatmap(mangled)},
    optional={
        "search": st.sampled_from(["STEPS = 100", "policy", ""]) | texts,
        "replace": texts,
        "content": texts,
    },
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("watched")


@fuzzed
@given(st.lists(edits, min_size=1, max_size=3))
@example([{"path": "recipe.py", "content": "x" + ".y" * 100_000}])
@example([{"path": "recipe.py", "content": "-" * 200_000 + "1"}])
@example([{"path": "recipe.py", "content": "x = " + "1+" * 100_000 + "1"}])
@example([{"path": "recipe.py", "content": "if x: pass\n" + "elif x: pass\n" * 9_000}])
@example([{"path": "recipe.py", "content": "import \x01"}])
@example([{"path": "recipe.py", "content": "import __main__.x, ._"}])
def test_any_edits_are_applied_inside_the_editable_part_or_refused(
    folder: Path, drawn: list[dict[str, Any]]
) -> None:
    record = {
        "hypothesis": "Any edits at all",
        "mechanism": "x",
        "predicted_score_change": 0.0,
        "predicted_entropy": 0.0,
        "edits": drawn,
    }
    with nothing_outside(folder):
        try:
            proposal = Proposal.model_validate_json(json.dumps(record))
            after = apply_edits(FILES, proposal.edits, editable=EDITABLE, protected=PROTECTED)
        except (EditError, ValidationError):
            return
        normalised_code(after)
        for path in after.keys() - FILES.keys():
            assert matches(path, EDITABLE)
            assert (folder / path).resolve().is_relative_to(folder.resolve())
        assert after["train.py"] == FILES["train.py"]
        try:
            check_code(after)
        except CheckFailed:
            return


@pytest.fixture(scope="module")
def ledger(folder: Path) -> Ledger:
    (folder / "recipe.py").write_text("STEPS = 1\n")
    return Ledger.create(folder / "repository", {"recipe.py": folder / "recipe.py"}, message="Baseline")


foreign = st.text(max_size=200) | st.lists(
    st.sampled_from(
        [
            *(
                "Verdict: kept",
                "Attempt: 1",
                "Parent-Attempt: 9",
                "\n",
                "\n\n",
                "\r",
                "\x85",
                "\u2028",
                "---\n",
                "\x00",
            ),
            *(
                "# ------------------------ >8 ------------------------\n",
                "Conflicts:\n\t",
                "Prediction: ",
                "Hypothesis: ",
            ),
            *(
                "-m",
                "--exec=x",
                "(cherry picked from commit x)",
                "\x1b[2J",
                "\ud800",
                " ",
                ":",
                "  ",
                "#",
                "é",
            ),
        ]
    ),
    max_size=8,
).map("".join)


@settings(fuzzed, max_examples=max(1, INPUTS // BATCH))
@given(st.lists(st.tuples(foreign, foreign, foreign), min_size=BATCH, max_size=BATCH))
def test_any_words_leave_the_trailers_as_they_were_given(
    ledger: Ledger, drawn: list[tuple[str, str, str]]
) -> None:
    """Real commits, read back by git, a batch of inputs each."""
    base, stream = ledger.tags()["baseline"], []
    given_trailers = {"Score": "0.5", "Guards": "g", "Score-Change-Interval": "[+0.1, +0.2]"}
    for number, (hypothesis, mechanism, reason) in enumerate(drawn, start=1):
        code = code_message(
            number,
            0,
            hypothesis=hypothesis,
            mechanism=mechanism,
            researcher=reason,
            score_change=0.25,
            entropy=0.5,
        )
        result = result_message(
            number,
            verdict="void",
            reason=reason,
            hypothesis=hypothesis,
            trailers={**given_trailers, "Score": mechanism},
        )
        ref = b"commit refs/heads/attempts/%04d\nmark :%d\n"
        for mark, message, parent in ((2 * number, code, base), (2 * number + 1, result, f":{2 * number}")):
            data = message.encode()
            stream.append(ref % (number, mark) + b"committer a <a@b> 1 +0000\n")
            stream.append(b"data %d\n%s\nfrom %s\n\n" % (len(data), data, parent.encode()))
    ledger.git.run("fast-import", "--quiet", "--force", data=b"".join(stream))
    commits = read_commits(ledger.git, "--branches=attempts/*")
    tips = ledger.git.text("for-each-ref", "--format=%(objectname)", "refs/heads/attempts").split()
    for number, tip in enumerate(tips, start=1):
        found = read_attempt(number, tip, commits)
        assert (found.verdict, found.parent) == ("void", 0)
        assert (found.predicted_score_change, found.predicted_entropy) == (0.25, 0.5)
        assert list(found.trailers) == ["Attempt", "Verdict", "Reason", *given_trailers]
        assert found.trailers["Guards"] == "g"


controls = sorted(SHIPPED.glob("*.py"))


HEAD = "class A:\n    kind: ClassVar[str] = 'loss'\n    x: float = 1.0\n"


@fuzzed
@given(st.sampled_from(controls).map(Path.read_text).flatmap(mangled) | st.text(max_size=200))
@example(HEAD.replace("1.0", "-" * 300_000 + "1"))
@example(HEAD.replace("float", "-" * 4000 + "1"))
@example(HEAD.replace("1.0", "(" * 150 + "1" + ")" * 150))
@example(HEAD.replace("1.0", "1" + "0" * 5000))
@example(HEAD.replace("'loss'", "['loss']"))
@example(HEAD + "    TUNED: ClassVar = ([], (1,))\n")
@example(HEAD + "    TUNED: ClassVar = ('x', (10**9999,))\n")
@example(HEAD + f"    TUNED: ClassVar = ('x', ({10**400},))\n")
def test_any_file_of_a_control_is_read_or_refused(folder: Path, text: str) -> None:
    with nothing_outside(folder):
        try:
            control = parse_control(text, folder / "mine.py")
            refuse_taken(control)
            found = tuning(control)
        except NotAControl:
            return
        if found is not None:
            ast.parse(control.written({found.parameter: found.grid[0]}), mode="eval")


@fuzzed
@given(st.binary(max_size=60) | st.sampled_from(controls).map(Path.read_bytes))
@example(b"\xff\xfe")
@example(b"# coding: utf-7\n")
def test_any_bytes_of_a_control_are_read_or_refused(folder: Path, data: bytes) -> None:
    path = folder / "mine.py"
    with nothing_outside(folder):
        path.write_bytes(data)
        try:
            read_control(path)
        except NotAControl:
            return
