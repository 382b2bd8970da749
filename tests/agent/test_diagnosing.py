"""A diagnosis on record: in the result commit, on disk, in the evidence, and before the researcher's eyes."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from agent.context.build import proposal_prompt
from agent.decision import Verdict
from agent.diagnosing import averages_in, diagnosis_of, holders_in, keep_baseline_diagnosis
from agent.laboratory import Laboratory
from agent.measure import TRAINED_FILE
from agent.referee import Referee
from agent.seeds import SCREENING_SEED, seed_plan
from environments.base import Split
from tests.agent.a_laboratory import BASELINE, SEEDS, build_laboratory, gained, propose, put_scores
from workspaces.attempts import AttemptRecord

ALPHA = 0.1
DIAGNOSIS = "diagnosis.json"


@pytest.fixture
def laboratory(tmp_path: Path) -> Laboratory:
    return build_laboratory(tmp_path)


def leave_trace(
    laboratory: Laboratory, number: int, commit: str, touched: Mapping[str, float], seconds: float = 1.0
) -> Path:
    """What a finished training of the screening seed leaves, its trace among it."""
    folder = laboratory.folder(number).path / f"{Split.SELECTION}-{SCREENING_SEED}"
    (folder / "out").mkdir(parents=True, exist_ok=True)
    key = laboratory.measurer.key(commit, SCREENING_SEED, Split.SELECTION).digest
    (folder / TRAINED_FILE).write_text(json.dumps({"key": key, "wall_seconds": seconds, "cpu_seconds": 1.0}))
    rows = [
        {
            "step": step,
            "seconds": seconds * step,
            "tokens": 100,
            "reward_mean": 0.7 - 0.3 * math.exp(0.6 - 0.003 * step) + 0.01 * math.sin(step),
            "entropy_mean": 0.6 - 0.003 * step,
            "touched": dict(touched),
        }
        for step in range(100)
    ]
    path = folder / "out" / "trace.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def concluded(
    laboratory: Laboratory, number: int, touched: Mapping[str, float], *, seconds: float = 1.0
) -> AttemptRecord:
    """An attempt that wins, from its traces and scores to its result commit."""
    code = propose(laboratory, number)
    put_scores(laboratory, code, gained())
    leave_trace(laboratory, number, code, touched, seconds)
    referee = Referee(laboratory, {number: 0})
    verdict = referee.judge(code, laboratory.baseline, ALPHA, seed_plan(SEEDS), SEEDS)
    assert isinstance(verdict, Verdict)
    referee.rule(number, 0, laboratory.baseline, code, verdict, range(SEEDS + 1))
    record = laboratory.ledger.attempt(number)
    assert record is not None
    return record


def test_a_verdict_comes_with_its_diagnosis_in_commit_file_and_evidence(laboratory: Laboratory) -> None:
    record = concluded(laboratory, 1, {"ForkingTokens": 20.0})
    path = laboratory.folder(1).path / DIAGNOSIS
    written = json.loads(path.read_text())
    assert record.trailers["Diagnosis"] == written["sentence"]
    assert record.trailers["Diagnosis"].startswith("Entropy was still falling at step ")
    assert record.trailers["Tokens-Touched"] == "ForkingTokens 2000 of 10000"
    assert laboratory.ledger.evidence()[f"attempts/0001/{DIAGNOSIS}"] == path.read_bytes()
    assert not list(path.parent.glob("*.tmp"))
    constants = {"Law-A": "a", "Law-B": "b", "Law-R2": "r_squared"}
    assert {name: record.trailers[name] for name in constants} == {
        name: f"{written['law'][of]:.3g}" for name, of in constants.items()
    }


def test_a_diagnosis_lost_to_a_kill_is_made_up_for_and_repeating_it_changes_nothing(
    laboratory: Laboratory,
) -> None:
    concluded(laboratory, 1, {"ForkingTokens": 20.0})
    path = laboratory.folder(1).path / DIAGNOSIS
    before, evidence = path.read_bytes(), laboratory.ledger.evidence()
    path.unlink()
    laboratory.ledger.git.run("update-ref", "-d", "refs/szilard/evidence")
    for _ in range(2):
        Referee(laboratory, {1: 0}).settle(1, laboratory.baseline)
        assert path.read_bytes() == before
        assert laboratory.ledger.evidence() == evidence


def test_a_diagnosis_outlives_its_trace(laboratory: Laboratory) -> None:
    record = concluded(laboratory, 1, {})
    (laboratory.folder(1).path / "selection-0" / "out" / "trace.jsonl").unlink()
    (laboratory.folder(1).path / "selection-0" / TRAINED_FILE).unlink()
    Referee(laboratory, {1: 0}).settle(1, laboratory.baseline)
    written = json.loads((laboratory.folder(1).path / DIAGNOSIS).read_text())
    assert written["sentence"] == record.trailers["Diagnosis"]


def test_equal_trainings_on_machines_of_unequal_speed_have_equal_diagnoses(tmp_path: Path) -> None:
    told = []
    for name, seconds in (("fast", 0.1), ("slow", 9.0)):
        laboratory = build_laboratory(tmp_path / name)
        record = concluded(laboratory, 1, {"ForkingTokens": 20.0}, seconds=seconds)
        written = (laboratory.folder(1).path / DIAGNOSIS).read_bytes()
        told.append((written, record.trailers["Diagnosis"], record.trailers["Tokens-Touched"]))
    assert told[0] == told[1]


def test_an_attempt_is_not_diagnosed_by_the_trace_of_other_code_or_of_nothing_measured(
    laboratory: Laboratory,
) -> None:
    code, other = propose(laboratory, 1), propose(laboratory, 2)
    folder = laboratory.folder(1).path
    leave_trace(laboratory, 1, code, {})
    assert diagnosis_of(laboratory.history, folder, code) is None, "trained, not measured"
    put_scores(laboratory, code, BASELINE[:1])
    put_scores(laboratory, other, BASELINE[1:2])
    assert diagnosis_of(laboratory.history, folder, code) is not None
    assert diagnosis_of(laboratory.history, folder, other) is None
    Referee(laboratory, {}).close(2, 0, "refused", "it equals another", None)
    record = laboratory.ledger.attempt(2)
    assert record is not None
    assert "Diagnosis" not in record.trailers


def test_the_baseline_has_a_diagnosis_in_its_folder_and_the_evidence(laboratory: Laboratory) -> None:
    leave_trace(laboratory, 0, laboratory.baseline, {"PpoClip": 3.0})
    for _ in range(2):
        keep_baseline_diagnosis(laboratory.history, laboratory.directory)
        written = (laboratory.directory / "attempts" / "0000" / DIAGNOSIS).read_bytes()
        assert laboratory.ledger.evidence() == {f"attempts/0000/{DIAGNOSIS}": written}


def test_a_researcher_is_shown_the_incumbents_figures_and_every_attempts_sentence(
    laboratory: Laboratory,
) -> None:
    record = concluded(laboratory, 1, {"ClipCov": 0.0, "PpoClip": 3.0})
    laboratory = replace(laboratory, settings=laboratory.settings.model_copy(update={"workers": 1}))
    prompt = proposal_prompt(laboratory.context(2, 1, record.result_commit or ""))
    assert "  entropy: ClipCov touched no token: it was inert, not tested; entropy was still" in prompt
    shown = prompt.partition("# How the incumbent's training spent its entropy")[2].partition("# History")[0]
    assert record.trailers["Diagnosis"] in shown
    assert "ClipCov inert: touched no token" in shown
    assert "left      +0." in shown
    assert re.search(r"^ +99 +0\.286 +0\.321", shown, re.MULTILINE)


def test_a_researcher_sees_no_diagnosis_of_its_own_round(laboratory: Laboratory) -> None:
    concluded(laboratory, 1, {"ClipCov": 0.0})
    assert laboratory.settings.workers == 2
    context = laboratory.context(2, 0, laboratory.baseline)
    assert [entry.diagnosis for entry in context.history] == [None]
    assert context.diagnostics == "The training left no trace."


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("LOSS = PpoClip()\nTERMS = (EntropyBonus(0.1), KlToStart())\n", {"EntropyBonus", "KlToStart"}),
        ("LOSS = kl_cov.KlCov()\n", {"KlCov"}),
        ("from controls.entropy_bonus import EntropyBonus\nLOSS = ClipHigher()\n", set()),
        ("LOSS = (", set()),
        ("", set()),
        ("LOSS = " + "(" * 10_000, set()),
        ("\0", set()),
    ],
)  # fmt: skip
def test_controls_that_hold_entropy_are_read_from_the_code_without_running_it(
    source: str, expected: set[str]
) -> None:
    assert holders_in({"entropy_control.py": source}) == expected


def test_an_average_in_force_is_on_record_since_the_trace_is_not_of_it(laboratory: Laboratory) -> None:
    assert averages_in({"entropy_control.py": "AVERAGE = WeightAverage(0.99)\n"}) == {"WeightAverage"}
    assert averages_in({"entropy_control.py": "LOSS = PpoClip()\n"}) == set()
    concluded(laboratory, 1, {})
    assert json.loads((laboratory.folder(1).path / DIAGNOSIS).read_text())["averages"] == []
