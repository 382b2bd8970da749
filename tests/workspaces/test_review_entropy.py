"""Reviewing where entropy went: what is on record is shown, and nothing else passes for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.workspaces import a_run
from workspaces.ledger import Ledger
from workspaces.review import log, show
from workspaces.review.record import RunRecord, read_run
from workspaces.review.report import render

SENTENCE = "ClipCov touched no token: it was inert, not tested; entropy was spent by step 60 of 149."
HOSTILE = "Entropy \x1b[2J[bold]fell\u202e <b>now</b>\n`\n# heading | it."


def diagnosis(**changes: Any) -> dict[str, Any]:
    checkpoints = [
        {
            "step": 18 * index + 17,
            "reward": 0.2 + 0.03 * index,
            "entropy": 0.46 - 0.05 * index,
            "quantiles": [0.001, 0.12, 1.4],
            "forking_share": None if index == 0 else 0.5,
            "covariance": 0.04,
            "clip_fraction": 0.0,
        }
        for index in range(8)
    ]
    return {
        "steps": 150,
        "checkpoints": checkpoints,
        "law": {
            "a": 0.3,
            "b": 0.73,
            "r_squared": 0.93,
            "ceiling": 0.43,
            "ceiling_interval": [0.424, 0.436],
            "left_to_buy": 0.012,
            "left_interval": [0.01, 0.014],
        },
        "doubts": [],
        "spent_by": 60,
        "tokens": 251392,
        "touched": {"ClipCov": 0, "PpoClip": 93},
        "inert": ["ClipCov"],
        "sentence": SENTENCE,
    } | changes


@pytest.fixture
def run(tmp_path: Path) -> RunRecord:
    """The run of `a_run` with one more attempt, whose control was inert, and the baseline's diagnosis."""
    directory = a_run.build_run(tmp_path / a_run.NAME)
    ledger = Ledger.open(directory / "repository")
    ledger.commit_code(
        9, ledger.incumbent(), 6, {"recipe.py": "LEARNING_RATE = 9e-5\n"}, hypothesis="Clip-Cov at 1e-9",
        mechanism="It holds.", researcher="catalogue", predicted_score_change=0.1, predicted_entropy=0.3,
    )  # fmt: skip
    trailers = {"Diagnosis": SENTENCE, "Tokens-Touched": "ClipCov 0 of 251392 (inert), PpoClip 93 of 251392"}
    ledger.commit_result(9, verdict="reverted", reason="screened out", trailers=trailers)
    put(directory, 0, diagnosis(inert=[], touched={"PpoClip": 93}, sentence="Entropy was spent by step 60."))
    put(directory, 9, diagnosis())
    return read_run(directory, json.loads((directory / "run.json").read_text()))


def put(directory: Path, number: int, data: Any) -> None:
    folder = directory / "attempts" / f"{number:04d}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "diagnosis.json").write_text(data if isinstance(data, str) else json.dumps(data))


def printed(run: RunRecord, number: int, capsys: pytest.CaptureFixture[str]) -> str:
    show.print_attempt(run, number)
    return capsys.readouterr().out


def test_show_tells_checkpoints_law_touched_tokens_and_the_sentence(
    run: RunRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = printed(run, 9, capsys)
    block = shown.partition("Where entropy went")[2]
    assert SENTENCE in block
    table = [line.split() for line in block.splitlines() if line.strip()[:2].isdigit()]
    assert len([row for row in table if len(row) == 9]) >= 7
    assert ["17", "0.200", "0.460", "0.001", "0.120", "1.400", "-", "0.040", "0.000"] in table
    assert "R = -0.3 exp(H) + 0.73, R2 0.93" in block
    assert "0.430 (95% interval 0.424 to 0.436)" in block
    assert "+0.0120 (95% interval +0.0100 to +0.0140) to buy" in block
    assert "touched   ClipCov inert: touched no token" in block
    assert "touched   PpoClip 93 of 251392 tokens" in block
    assert shown.count(SENTENCE) == 1
    assert "Entropy was spent by step 60." in printed(run, 0, capsys)


def test_a_law_that_does_not_apply_is_shown_with_its_reasons_and_without_a_ceiling(
    run: RunRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    put(run.directory, 9, diagnosis(doubts=["entropy hardly moved", "it explains 12%"]))
    shown = printed(run, 9, capsys)
    assert "no law    entropy hardly moved; it explains 12%" in shown
    assert "\n  ceiling" not in shown
    assert "to buy" not in shown


def test_what_the_trace_is_of_is_said_where_an_average_was_scored(
    run: RunRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "the policy in training" not in printed(run, 9, capsys)
    put(run.directory, 9, diagnosis(averages=["WeightAverage"]))
    told = "is of the policy in training, not of its average (WeightAverage), which was scored"
    assert f"trace     {told}" in printed(run, 9, capsys)
    assert f"{SENTENCE} The trace {told}." in render(run)


def test_terms_of_a_diagnosis_are_explained_below_it(
    run: RunRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    for shown in (printed(run, 9, capsys), render(run)):
        for term in ("10% 50% 90%", "forking", "covariance", "clipped", "touched", "ceiling"):
            assert term in shown.partition("the mean over an eighth")[2]


def test_json_of_show_and_log_holds_the_diagnosis(run: RunRecord) -> None:
    assert show.page(run, 9)["entropy_diagnosis"] == diagnosis()
    assert show.page(run, 0)["entropy_diagnosis"]["touched"] == {"PpoClip": 93}
    assert show.page(run, 1)["entropy_diagnosis"] is None
    rows = {row["attempt"]: row for row in log.rows(run)}
    assert (rows[9]["diagnosis"], rows[9]["inert"]) == (SENTENCE, ["ClipCov"])
    assert (rows[1]["diagnosis"], rows[1]["inert"]) == (None, [])


def test_log_marks_an_inert_attempt_and_no_other(run: RunRecord, capsys: pytest.CaptureFixture[str]) -> None:
    log.print_log(run)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if "reverted, inert" in line] == ["9"]


def test_report_has_every_diagnosis_escaped(run: RunRecord) -> None:
    put(run.directory, 0, diagnosis(sentence=HOSTILE, touched={"```\n# <b>": 1}))
    report = render(run)
    section = report.partition("## Where entropy went")[2].partition("\n## ")[0]
    assert "**Attempt 9.** ClipCov touched no token" in section
    assert "**Baseline.** Entropy \\[bold\\]fell &lt;b&gt;now" in section
    assert section.count("```") == 4
    assert "\n# " not in section
    assert "\x1b" not in section
    assert "\u202e" not in section


def test_without_its_file_the_sentence_comes_from_the_commit(
    run: RunRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    (run.directory / "attempts" / "0009" / "diagnosis.json").unlink()
    assert SENTENCE in printed(run, 9, capsys)
    assert "Where entropy went" not in printed(run, 1, capsys)


@pytest.mark.parametrize(
    "content",
    [
        "", "{", "[]", "3", '{"sentence": 3}', '{"sentence": "It fell."}', "[" * 100_000, "\x00", "{}",
        '{"sentence": "It fell.", "checkpoints": [3, {}, {"step": "x", "quantiles": [1]}], "law": 1}',
        '{"sentence": "It fell.", "law": {"a": "x"}, "checkpoints": {}}',
        '{"sentence": "It fell.", "law": {"a": 1e999, "ceiling_interval": [1, null]}, "touched": {"A": []}}',
        '{"sentence": "It fell.", "doubts": [[], 3], "spent_by": {}, "tokens": "3", "touched": []}',
        '{"sentence": "It fell.", "checkpoints": [{"step": 1' + "0" * 400 + "}]}",
    ],
)  # fmt: skip
def test_a_damaged_diagnosis_keeps_nothing_else_from_being_shown(
    content: str, run: RunRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    put(run.directory, 0, content)
    put(run.directory, 9, content)
    assert SENTENCE in printed(run, 9, capsys)
    assert "standard deviation between seeds" in printed(run, 0, capsys)
    assert "## Confirmation" in render(run)
    json.dumps(show.page(run, 9))
