"""What `szilard show` prints of the evidence is what the result commit holds, and points where it should."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workspaces.review.evidence import block, seed_changes

TRAILERS = {
    "Seed-Changes": "1: +0.01000, 2: -0.02000, 14: +0.00000",
    "P-Value": "0.0012",
    "Threshold": "0.003",
    "Alpha-Spent": "0.009",
    "Guards": "pass_at_1 +0.00363 (at worst -0.0071, allowed -0.02)",
}


def test_every_seed_has_a_row_and_the_test_its_figures() -> None:
    lines = block(TRAILERS, -0.00333, (-0.04, 0.04))
    assert [line.split()[:3] for line in lines[:3]] == [
        ["seed", "1", "+0.0100"],
        ["seed", "2", "-0.0200"],
        ["seed", "14", "+0.0000"],
    ]
    assert lines[3].split()[0] == "mean"
    assert lines[3].count("[") == lines[3].count("]") == lines[3].count("o") == 1
    told = "\n".join(lines)
    assert "p = 0.0012" in told
    assert "threshold was 0.003" in told
    assert "alpha = 0.009" in told
    assert TRAILERS["Guards"] in told


def test_without_evidence_seeds_there_is_nothing_to_show() -> None:
    assert block({"Alpha-Spent": "0"}, None, None) == []


@given(st.lists(st.floats(-1, 1).map(lambda x: round(x, 5)), min_size=2, max_size=12))
def test_marks_stand_on_the_side_of_their_sign_and_in_their_order(values: list[float]) -> None:
    trailers = {"Seed-Changes": ", ".join(f"{i + 1}: {value:+.5f}" for i, value in enumerate(values))}
    assert [value for _, value in seed_changes(trailers)] == pytest.approx(values)
    lines = block(trailers, None, None)[: len(values)]
    marks = [line.rindex("o") for line in lines]
    zero = next((line.index("|") for line in lines if "|" in line), None)
    for value, mark in zip(values, marks, strict=True):
        if zero is not None and value > 0:
            assert mark >= zero
        if zero is not None and value < 0:
            assert mark <= zero
    assert [m for _, m in sorted(zip(values, marks, strict=True))] == sorted(marks)
