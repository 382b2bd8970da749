"""A trace is written by code under research: whatever it holds, reading it costs nothing but its rows."""

from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.trace import (
    LARGEST_COUNT,
    LARGEST_FIGURE,
    LONGEST_NAME,
    LONGEST_TRACE,
    TraceRow,
    blocks,
    law_of,
    read_trace,
)

SOUND = {"step": 3, "reward_mean": 0.25, "entropy_mean": 0.5, "clip_fraction": 0.125}
LINE = json.dumps(SOUND)
ROW = TraceRow(3, 0.25, 0.5, 0.125)
HUGE = "9" * 400

finite = st.floats(-LARGEST_FIGURE, LARGEST_FIGURE)
numbers = st.integers() | st.floats() | st.sampled_from([10**400, -(10**400), 1e308, -0.0, 5e-324, 700.0])
anything = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)
values = numbers | anything
rows_of_json = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        (
            *("step", "reward_mean", "entropy_mean", "clip_fraction", "tokens", "tokens_left"),
            *("entropy_quantiles", "forking_share", "covariance", "touched"),
        ),
        values,
    ),
)
read_rows = st.builds(
    TraceRow, st.integers(-(10**400), 10**400), finite, finite, st.none() | st.floats(-1e6, 1e6)
)


def assert_harmless(rows: list[TraceRow]) -> None:
    law = law_of(rows)
    assert law is None or all(map(math.isfinite, law.values()))


def read(content: bytes) -> list[TraceRow]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.jsonl"
        path.write_bytes(content)
        return read_trace(path)


@pytest.mark.parametrize(
    "hostile",
    [
        LINE.replace("3", "Infinity", 1),
        LINE.replace("3", "NaN", 1),
        LINE.replace("0.5", "NaN"),
        LINE.replace("0.5", "1e308"),
        LINE.replace("0.5", "-Infinity"),
        LINE.replace("0.5", HUGE),
        LINE.replace("0.25", HUGE),
        LINE.replace("3", HUGE, 1),
        LINE.replace("3", "-1", 1),
        LINE.replace("3", "true", 1),
        LINE.replace("3", "9" * 5000, 1),
        LINE.replace("0.5", '"much"'),
        LINE.replace("0.5", "null"),
        LINE.replace("0.5", "[0.5]"),
        '{"step": 3}',
        "[3]",
        "3",
        "null",
        '"step"',
        "{",
        "[" * 100_000,
        '{"a":' * 100_000,
    ],
    ids=lambda line: line[:50],
)
def test_a_hostile_row_is_passed_over_and_its_neighbours_are_read(hostile: str) -> None:
    rows = read(f"{LINE}\n{hostile}\n{LINE}\n".encode())
    assert rows == [ROW, ROW]
    assert_harmless(rows)


@pytest.mark.parametrize(
    ("name", "unsound"),
    [
        *(("clip_fraction", value) for value in (HUGE, "NaN", "Infinity", '"much"', "[0.1]", "true", "null")),
        *(("tokens", value) for value in (HUGE, "-1", "NaN", '"3"', "1e13")),
        *(("tokens_left", value) for value in (HUGE, "-1")),
        *(
            ("entropy_quantiles", value)
            for value in ("[0, 1]", "[0, NaN, 1]", "[0, 2, 1]", '"abc"', "{}", HUGE)
        ),
        *(("forking_share", value) for value in (HUGE, "{}")),
        *(("covariance", value) for value in ("-Infinity", "[]")),
        *(("touched", value) for value in ("3", "[1]", '"ClipCov"', '{"ClipCov": -1}', '{"ClipCov": null}')),
    ],
)
def test_an_unsound_figure_is_absent_and_never_zero_and_costs_no_row(name: str, unsound: str) -> None:
    line = json.dumps({field: value for field, value in SOUND.items() if field != name})
    (row,) = read(f'{line[:-1]}, "{name}": {unsound}}}'.encode())
    found = getattr(row, {"entropy_quantiles": "quantiles"}.get(name, name))
    assert found == {} if name == "touched" else found is None


def test_every_figure_of_a_sound_row_is_read() -> None:
    told = {
        "tokens": 1616,
        "tokens_left": 0,
        "entropy_quantiles": [0.003, 0.27, 1.04],
        "forking_share": 0.51,
        "covariance": -0.038,
        "touched": {"ClipCov": 0.0, "PpoClip": 12.0},
    }
    (row,) = read(json.dumps(SOUND | told).encode())
    assert row == TraceRow(
        3, 0.25, 0.5, 0.125, 1616, 0, {"ClipCov": 0.0, "PpoClip": 12.0}, (0.003, 0.27, 1.04), 0.51, -0.038
    )


@pytest.mark.parametrize(
    "name",
    ["x" * (LONGEST_NAME + 1), "Clip Cov", "Clip\nVerdict: kept", "\x1b[31mClip", "Clip\u202e", "", "a-b"],
)
def test_a_control_with_an_unsound_name_is_left_out(name: str) -> None:
    (row,) = read(json.dumps(SOUND | {"touched": {name: 5, " ClipCov ": 7}}).encode())
    assert row.touched == {"ClipCov": 7.0}


def test_a_stretch_is_the_mean_of_the_figures_that_its_rows_have() -> None:
    rows = [
        TraceRow(0, 0.1, 0.5, None, quantiles=(0.0, 0.2, 1.0), covariance=0.1),
        TraceRow(1, 0.3, 0.3, 0.2, quantiles=(0.2, 0.4, 0.6)),
    ]
    (mean,) = blocks(rows, 1)
    assert (mean.step, mean.clip_fraction, mean.forking_share, mean.covariance) == (1, 0.2, None, 0.1)
    assert (mean.reward, mean.entropy) == pytest.approx((0.2, 0.4))
    assert mean.quantiles == pytest.approx((0.1, 0.3, 0.8))


def test_bytes_that_are_no_text_cost_their_own_line_alone() -> None:
    assert read(b"\xff\xfe\x00\xc3(\n" + LINE.encode() + b"\n\x80") == [ROW]


def test_a_folder_or_nothing_in_place_of_the_trace_is_an_empty_trace(tmp_path: Path) -> None:
    (tmp_path / "trace.jsonl").mkdir()
    assert read_trace(tmp_path / "trace.jsonl") == []
    assert read_trace(tmp_path / "absent") == []


def test_a_trace_is_read_up_to_its_longest_and_no_further(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    with path.open("wb") as file:
        file.write(f"{LINE}\n".encode())
        file.seek(LONGEST_TRACE - 1)
        file.write(f"\n{LINE}\n".encode())
        file.truncate(64 * LONGEST_TRACE)
    assert read_trace(path) == [ROW]


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_arbitrary_bytes_never_raise(content: bytes) -> None:
    assert_harmless(read(content))


@settings(max_examples=100, deadline=None)
@given(st.lists(rows_of_json | anything, max_size=12))
def test_arbitrary_rows_of_json_never_raise(found: list[object]) -> None:
    rows = read("\n".join(map(json.dumps, found)).encode())
    assert len(rows) <= len(found)
    for row in rows:
        assert abs(row.entropy) <= LARGEST_FIGURE
        assert abs(row.reward) <= LARGEST_FIGURE
        assert 0 <= row.step <= LARGEST_COUNT
    assert_harmless(rows)


@settings(max_examples=100, deadline=None)
@given(st.lists(read_rows, max_size=40))
def test_constants_of_the_law_are_finite_or_there_is_none(rows: list[TraceRow]) -> None:
    assert_harmless(rows)


@pytest.mark.parametrize("entropy", [1e308, 1e6, 800.0, 709.0, 400.0, 300.0, -400.0, -1e6])
def test_entropies_that_no_law_can_carry_give_none_or_finite_constants(entropy: float) -> None:
    assert_harmless([TraceRow(step, 0.1 * step, entropy + step, None) for step in range(5)])


def test_a_trace_that_follows_the_law_gives_it_back() -> None:
    rows = [
        TraceRow(step, 0.9 - 0.2 * math.exp(0.5 - 0.01 * step), 0.5 - 0.01 * step, 0.0) for step in range(30)
    ]
    law = law_of(rows)
    assert law is not None
    assert law["a"] == pytest.approx(0.2)
    assert law["b"] == pytest.approx(0.9)
