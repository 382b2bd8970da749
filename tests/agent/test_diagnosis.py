"""Where entropy went: the figures and the sentence, case by case, and for any trace at all."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.diagnosis import CHECKPOINTS, EntropyDiagnosis, diagnose
from agent.diagnosis_sentence import LONGEST_SENTENCE
from agent.trace import LARGEST_FIGURE, MOST_CONTROLS, TraceRow
from workspaces.plain_text import one_line

STEPS = 150
A, B = 0.3, 0.73


def trace(
    entropy: Callable[[float], float], *, a: float = A, noise: float = 0.004, seed: int = 0, **figures: Any
) -> list[TraceRow]:
    """A training whose entropy goes as told over [0, 1] and whose reward follows the law."""
    rng = np.random.default_rng(seed)
    rows = []
    for step in range(STEPS):
        held = entropy(step / (STEPS - 1))
        reward = B - a * math.exp(held) + float(rng.normal(0, noise))
        rows.append(TraceRow(step, reward, held, 0.01, **figures))
    return rows


def early_to_nothing(at: float) -> float:
    return 0.02 + 0.6 * math.exp(-12 * at)


def early_to_a_half(at: float) -> float:
    return 0.4 + 0.4 * math.exp(-12 * at)


def late_to_nothing(at: float) -> float:
    return 0.05 + 0.6 * (1 - at)


def falling(at: float) -> float:
    return 0.6 - 0.3 * at


def test_entropy_spent_early_near_the_ceiling_names_who_shows_what_slower_spending_does() -> None:
    found = diagnose(trace(early_to_nothing))
    assert found.doubts == ()
    assert found.spent_by is not None
    assert found.spent_by < STEPS / 2
    assert found.sentence.startswith(f"Entropy was spent by step {found.spent_by} of 149 (")
    assert found.law is not None
    fit = (
        f"the law fitted to this training's own reward, R2 {found.law.r_squared:.2f}, has its ceiling at 0.43"
    )
    assert fit in found.sentence
    assert found.sentence.endswith(
        "whether slower spending reaches more, the frontier's lower learning rates show."
    )


def test_entropy_still_falling_says_how_much_reward_is_left_to_buy() -> None:
    found = diagnose(trace(falling))
    left = A * math.expm1(found.checkpoints[-1].entropy)
    assert found.law is not None
    assert found.law.left_interval[0] < left < found.law.left_interval[1]
    assert "was still falling" in found.sentence
    assert f"the rest would buy {found.law.left_to_buy:+.4f} (95% interval +" in found.sentence
    assert found.sentence.endswith("whether faster spending does, the frontier's higher learning rates show.")


def test_entropy_that_lasted_and_is_spent_says_that_little_is_left() -> None:
    found = diagnose(trace(late_to_nothing))
    assert "at most +" in found.sentence
    assert found.sentence.endswith("though entropy lasted for most of the training.")


def test_entropy_that_stopped_falling_with_reward_left_says_so() -> None:
    found = diagnose(trace(early_to_a_half))
    assert "and hardly since" in found.sentence
    assert found.sentence.endswith("but this training stopped spending it.")


def test_a_fit_whose_interval_reaches_zero_claims_nothing_is_left_to_buy() -> None:
    """With few points the interval is wide though a is above twice its standard error."""
    rows = [
        TraceRow(step, reward, entropy, None)
        for step, (entropy, reward) in enumerate([(1.0, 0.10), (0.8, 0.42), (0.6, 0.40), (0.4, 0.62)])
    ]
    found = diagnose(rows)
    assert found.doubts == ()
    assert found.law is not None
    assert found.law.left_interval[0] <= 0
    assert "the fit does not tell" in found.sentence
    assert "frontier" not in found.sentence


def test_entropy_that_rose_is_said_to_have_risen() -> None:
    found = diagnose(trace(lambda at: 0.3 + 0.3 * at))
    assert found.spent_by is None
    assert found.sentence.startswith("Entropy rose (0.30")
    assert "spending it again would buy +" in found.sentence


def test_entropy_that_hardly_moved_bears_no_law() -> None:
    found = diagnose(trace(lambda at: 0.5 - 0.03 * at))
    assert found.sentence.startswith("Entropy held (")
    assert found.doubts[0] == "entropy hardly moved"
    assert "the entropy law says nothing here: entropy hardly moved" in found.sentence
    assert "ceiling" not in found.sentence


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (trace(falling, a=-A), "a is not above twice its standard error"),
        (trace(falling, a=0.05, noise=0.1), "less than 50%"),
        (trace(lambda at: 400 - 300 * at, a=0.0), "below 350 nats"),
        (trace(lambda at: 0.5), "entropy is the same at every point"),
    ],
)
def test_a_law_that_does_not_apply_says_why_and_claims_no_ceiling(rows: list[TraceRow], reason: str) -> None:
    found = diagnose(rows)
    assert any(reason in doubt for doubt in found.doubts)
    assert reason in found.sentence
    assert "ceiling" not in found.sentence
    assert "frontier" not in found.sentence


def test_a_control_that_holds_entropy_makes_the_law_say_nothing_unless_it_is_inert() -> None:
    held = diagnose(trace(falling, touched={"EntropyBonus": 100.0}), {"EntropyBonus"})
    assert "EntropyBonus holds entropy, and the law was found without intervention" in held.sentence
    assert held.law is not None
    silent = diagnose(trace(falling), {"EntropyBonus"})
    assert silent.doubts
    inert = diagnose(trace(falling, touched={"EntropyBonus": 0.0}), {"EntropyBonus"})
    assert inert.doubts == ()


def test_a_control_that_touched_no_token_is_called_inert_and_not_tested() -> None:
    found = diagnose(trace(falling, touched={"ClipCov": 0.0, "PpoClip": 0.0, "KlToStart": 7.0}, tokens=100))
    assert found.inert == ("ClipCov",)
    assert found.sentence.startswith("ClipCov touched no token: it was inert, not tested; entropy ")
    assert found.touched == {"ClipCov": 0, "KlToStart": 7 * STEPS, "PpoClip": 0}
    told = found.trailers()
    assert told["Diagnosis"] == found.sentence
    assert told["Tokens-Touched"] == "ClipCov 0 of 15000 (inert), KlToStart 1050 of 15000, PpoClip 0 of 15000"


def test_a_control_that_touched_a_token_in_one_step_alone_is_not_inert() -> None:
    rows = trace(falling, touched={"ClipCov": 0.0})
    rows[70] = TraceRow(70, rows[70].reward, rows[70].entropy, None, touched={"ClipCov": 1.0})
    assert diagnose(rows).inert == ()


@pytest.mark.parametrize(("steps", "says"), [(0, "left no trace"), (1, "too short"), (2, "too short")])
def test_a_trace_that_is_missing_or_too_short_claims_nothing(steps: int, says: str) -> None:
    found = diagnose(trace(falling)[:steps])
    assert says in found.sentence
    assert (found.law, found.spent_by, found.tokens) == (None, None, None)


def test_checkpoints_cover_the_training_and_absent_figures_stay_absent() -> None:
    found = diagnose(trace(falling, quantiles=(0.0, 0.2, 1.0), covariance=0.02))
    assert len(found.checkpoints) == CHECKPOINTS
    last = found.checkpoints[-1]
    assert (last.step, last.quantiles, last.covariance) == (149, (0.0, 0.2, 1.0), pytest.approx(0.02))
    assert last.forking_share is None
    assert found.to_json()["checkpoints"][-1]["forking_share"] is None


finite = st.floats(-LARGEST_FIGURE, LARGEST_FIGURE)
small = st.floats(-1, 3)
names = st.sampled_from(["ClipCov", "KlCov", "PpoClip", "x" * 60, "EntropyBonus"])


def rows_of(figures: st.SearchStrategy[float]) -> st.SearchStrategy[list[TraceRow]]:
    row = st.builds(
        TraceRow,
        st.integers(0, 10**12),
        figures,
        figures,
        st.none() | figures,
        st.none() | st.integers(0, 10**12),
        st.none(),
        st.dictionaries(names, st.sampled_from([0.0, 1.0, 1e12])),
        st.none() | st.tuples(figures, figures, figures),
        st.none() | figures,
        st.none() | figures,
    )
    return st.lists(row, max_size=40)


def assert_sound(found: EntropyDiagnosis) -> None:
    assert len(found.sentence) <= LONGEST_SENTENCE
    assert found.sentence == one_line(found.sentence)
    assert found.sentence.isprintable()
    assert found.sentence.endswith(".")
    assert "nan" not in found.sentence.lower().split()
    assert "inf" not in found.sentence.lower().split()
    json.dumps(found.to_json(), allow_nan=False)
    assert len(found.touched) <= MOST_CONTROLS


@settings(max_examples=150, deadline=None)
@given(rows_of(finite) | rows_of(small), st.sets(names))
def test_any_trace_has_a_finite_sentence_on_one_line(rows: list[TraceRow], holders: set[str]) -> None:
    found = diagnose(rows, holders)
    assert_sound(found)
    assert found == diagnose(list(rows), set(holders))
    assert found.law is not None or found.doubts


@settings(max_examples=100, deadline=None)
@given(st.floats(0.05, 2), st.floats(0.05, 2), st.floats(0.01, 1), st.floats(0, 0.2), st.integers(0, 99))
def test_a_claim_is_made_only_where_the_interval_carries_it_and_never_asks_for_a_longer_training(
    start: float, end: float, a: float, noise: float, seed: int
) -> None:
    found = diagnose(trace(lambda at: start + (end - start) * at**0.3, a=a, noise=noise, seed=seed))
    assert_sound(found)
    assert "more steps" not in found.sentence
    claims = "slower spending" in found.sentence, "faster spending" in found.sentence
    if any(claims):
        assert found.law is not None
        assert not found.doubts
        bought = found.law.a * (math.exp(start) - math.exp(found.checkpoints[-1].entropy))
        near = found.law.left_interval[1] <= 0.2 * bought * 1.001
        assert near if claims[0] else found.law.left_interval[0] > 0


def test_names_of_many_inert_controls_leave_room_for_the_rest() -> None:
    touched = {f"{'Control' * 8}{index}": 0.0 for index in range(16)}
    found = diagnose(trace(falling, touched=touched))
    assert len(found.inert) == 16
    assert "13 more touched no token" in found.sentence
    assert_sound(found)
