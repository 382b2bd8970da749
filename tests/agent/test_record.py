"""What a result commit says: figures rounded once, and the bounds that decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from agent.arms import GuardResult
from agent.decision import Verdict
from agent.laboratory import Laboratory
from agent.record import figures
from environments.base import Split
from tests.agent.a_laboratory import build_laboratory, put_scores
from workspaces.ledger import AttemptRecord
from workspaces.measurements import Measurement
from workspaces.review import record, text

VERDICT = Verdict("reverted", 0.00023349, 0.00312345, (-0.0071049, 0.0075718), 0.009, 2, (), "no gain")


@pytest.fixture
def laboratory(tmp_path: Path) -> Laboratory:
    return build_laboratory(tmp_path)


def trailers(laboratory: Laboratory, verdict: Verdict, *scores: float) -> Mapping[str, str]:
    code = laboratory.ledger.commit_code(
        1, laboratory.baseline, 0, {"recipe.py": "STEPS = 7\n"}, hypothesis="Fewer", mechanism="",
        researcher="catalogue", predicted_score_change=0.1, predicted_entropy=0.3,
    )  # fmt: skip
    put_scores(laboratory, code, scores)
    measured = laboratory.history.measurements(code, Split.SELECTION, laboratory.seeds)
    return figures(laboratory.settings, verdict, measured, compared_with=0)


def test_a_figure_is_rounded_once_and_read_back_as_it_was_said(laboratory: Laboratory) -> None:
    written = trailers(laboratory, VERDICT, 0.5, 0.51, 0.52)
    assert written["Score-Change"] == text.signed(VERDICT.change) == "+0.000233"
    assert written["Score-Change-Interval"] == text.span(VERDICT.interval)
    attempt = AttemptRecord(1, 0, "catalogue", "h", "m", 0.1, 0.3, "c", "d", "reverted", "r", written)
    read = record.figures(attempt)
    assert text.signed(read.change) == written["Score-Change"]
    assert text.span(read.interval) == written["Score-Change-Interval"]
    assert text.figure(read.score, None, read.change) == "0.515000"


@pytest.mark.parametrize("value", [0.09996, 0.0141, -0.012, 9.9999e-5, 0.00023349, -1.0])
def test_a_shown_change_is_shown_again_the_same(value: float) -> None:
    assert text.signed(float(text.signed(value))) == text.signed(value)


def test_a_guard_is_recorded_with_the_bound_that_decides_it(laboratory: Laboratory) -> None:
    guard = GuardResult("pass_at_1", 0.02, 0.0036349, 0.005, -0.0071049, True)
    written = trailers(laboratory, replace(VERDICT, guards=(guard,)), 0.5, 0.51, 0.52)
    assert written["Guards"] == "pass_at_1 +0.00363 (at worst -0.00710, allowed -0.02)"


def test_a_guard_on_one_seed_has_no_bound_and_says_so(laboratory: Laboratory) -> None:
    guard = GuardResult("pass_at_1", 0.02, -0.224, None, None, None)
    written = trailers(laboratory, replace(VERDICT, guards=(guard,)), 0.5)
    assert written["Guards"] == "pass_at_1 -0.224 (one seed, allowed -0.02)"


def test_the_law_is_left_to_the_diagnosis(laboratory: Laboratory) -> None:
    def with_law(measured: Measurement) -> Measurement:
        return replace(measured, law={"a": 1.0, "b": 2.0, "r_squared": 0.9, "ceiling": 1.0})

    measured = laboratory.history.measurements(laboratory.baseline, Split.SELECTION, laboratory.seeds)
    lawful = {seed: with_law(m) for seed, m in measured.items()}
    written = figures(laboratory.settings, VERDICT, lawful, compared_with=0)
    assert not [name for name in written if name.startswith("Law-")]
