"""Taste judges a melody by its habits; likeness is a kernel."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.melody.music import LENGTH, OPENING, PITCHES, broken_rules
from environments.melody.taste import FINE, likeness, taste
from environments.melody.warm_start import demonstrated
from evaluators.diversity import vendi_score

SUNG = (60, 64, 62, 65, 69, 67, 72, 71, 67, 64, 62, 60)
"""Steps, one leap turned back, one highest note, the opening again, home by step."""
DULL = (60, 60, 62, 60, 60, 62, 62, 60, 60, 62, 62, 60)
WILD = (60, 67, 60, 78, 55, 79, 56, 70, 79, 58, 79, 60)

melodies = st.lists(
    st.lists(st.sampled_from(PITCHES), min_size=LENGTH - OPENING, max_size=LENGTH - OPENING).map(
        lambda notes: (60, 64, 67, *notes)
    ),
    min_size=1,
    max_size=12,
)


@given(melodies)
def test_taste_lies_within_0_and_1_in_every_key(several: list[tuple[int, ...]]) -> None:
    for melody in several:
        assert 0.0 <= taste(melody) <= 1.0
        assert taste([note + 5 for note in melody]) == taste(melody)


def test_what_sings_is_fine_and_what_does_not_is_not() -> None:
    assert taste(SUNG) > FINE > max(taste(DULL), taste(WILD))


@pytest.mark.parametrize(
    "worse",
    [
        (*SUNG[:-2], 67, 60),
        (*SUNG[:7], 72, *SUNG[8:]),
        (*SUNG[:7], 74, *SUNG[8:]),
        (60, 67, 62, *SUNG[3:]),
    ],
    ids=[
        "home by a leap",
        "the highest note twice",
        "a leap not turned back",
        "an opening that never returns",
    ],
)
def test_a_lost_habit_costs(worse: tuple[int, ...]) -> None:
    assert taste(worse) < taste(SUNG)


def test_a_sixth_of_the_valid_demonstrations_is_fine() -> None:
    rng = random.Random(0)
    drawn = [demonstrated(rng) for _ in range(4000)]
    tastes = [taste(melody) for scale, melody in drawn if not broken_rules(scale, melody)]
    assert 0.35 < len(tastes) / len(drawn) < 0.55
    assert sum(one >= FINE for one in tastes) / len(tastes) == pytest.approx(1 / 6, abs=0.03)


@given(melodies)
def test_likeness_is_a_kernel(several: list[tuple[int, ...]]) -> None:
    kernel = likeness(several)
    assert np.allclose(kernel, kernel.T)
    assert np.allclose(kernel.diagonal(), 1.0)
    assert kernel.min() >= 0.0
    assert np.linalg.eigvalsh(kernel).min() > -1e-9
    assert vendi_score(kernel) <= len(set(several)) + 1e-6


def test_likeness_is_that_of_notes_and_of_interval_pairs() -> None:
    """By hand: no note in common but the same intervals; all notes but one in common."""
    low, high = (60, 62, 64, *([62, 64] * 4), 62), (60, 62, 64, *([69, 71] * 4), 69)
    kernel = likeness([low, high])
    pairs_low = {(-2, 2): 4, (2, -2): 4}
    pairs_high = {(5, 2): 1, (2, -2): 4, (-2, 2): 3}
    dot = sum(count * pairs_high.get(pair, 0) for pair, count in pairs_low.items())
    size = np.sqrt(sum(c * c for c in pairs_low.values()) * sum(c * c for c in pairs_high.values()))
    assert kernel[0, 1] == pytest.approx(dot / size / 2)
    climb = (60, 62, 64, 62, 65, 62, 66, 62, 67, 62, 68, 62)
    assert likeness([climb, (*climb[:-1], 79)])[0, 1] == pytest.approx((8 / 9 + 7 / 8) / 2)
