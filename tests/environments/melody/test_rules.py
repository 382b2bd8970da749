"""Each rule is broken by what breaks it and by nothing else."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.base import Task
from environments.melody import music
from environments.melody.environment import MelodyEnvironment
from environments.melody.music import (
    NAME_OF,
    PITCHES,
    Scale,
    broken_rules,
    intervals_of,
    opening_of,
    read_melody,
    written,
)

C_MAJOR = Scale("C", "major")
GOOD = (60, 64, 67, 69, 67, 64, 65, 62, 64, 60, 62, 60)
WHITE_KEYS = {"C", "D", "E", "F", "G", "A", "B"}


def with_notes(**changes: str) -> list[int]:
    """GOOD with other notes: n3="Db4" replaces the one at position 3."""
    notes = list(GOOD)
    for position, name in changes.items():
        notes[int(position[1:])] = music.PITCH_OF[name]
    return notes


def test_c_major_is_the_white_keys_and_c_minor_has_its_three_flats() -> None:
    names = {NAME_OF[pitch].rstrip("0123456789") for pitch in C_MAJOR.pitches()}
    assert names == WHITE_KEYS
    minor = {NAME_OF[pitch].rstrip("0123456789") for pitch in Scale("C", "minor").pitches()}
    assert minor == {"C", "D", "Eb", "F", "G", "Ab", "Bb"}
    assert NAME_OF[60] == "C4"


@pytest.mark.parametrize(
    ("notes", "broken"),
    [
        (with_notes(), []),
        (with_notes(n7="Eb4"), ["key"]),
        (with_notes(n0="D4"), ["start"]),
        (with_notes(n0="B3", n1="D4"), ["start"]),
        (with_notes(n11="E4"), ["end"]),
        (with_notes(n11="C5"), ["leap"]),
        (with_notes(n4="A4"), []),
        (with_notes(n4="A4", n5="A4"), ["repeat"]),
        (with_notes(n10="C4", n11="C4"), ["repeat"]),
        ([*GOOD, 62, 60], ["length"]),
        ((*GOOD[:-1], 61), ["key", "end"]),
    ],
)
def test_every_rule_is_broken_by_what_breaks_it_alone(notes: list[int], broken: list[str]) -> None:
    assert broken_rules(C_MAJOR, notes) == broken


@given(st.integers(0, 11), st.sampled_from(list(music.MOODS)), st.randoms(use_true_random=False))
def test_rules_say_the_same_in_every_key(steps: int, mood: str, rng: random.Random) -> None:
    melody = [rng.choice(PITCHES) for _ in range(music.LENGTH)]
    moved = [note + steps for note in melody]
    home, away = Scale("C", mood), Scale(music.KEYS[steps], mood)
    assert broken_rules(home, melody) == broken_rules(away, moved)
    assert opening_of(home, melody) == opening_of(away, moved)
    assert intervals_of(melody) == intervals_of(moved)


@pytest.mark.parametrize(
    "answer",
    ["", "C4", written(GOOD[3:-1]), written((*GOOD[3:], 60)), written(GOOD[3:-1]) + " H4", "C9 " * 9, "C4C4"],
)
def test_answer_that_is_not_nine_notes_is_no_melody_and_earns_nothing(answer: str) -> None:
    assert read_melody(GOOD[:3], answer) is None
    assert MelodyEnvironment().reward(Task(music.prompt_of(C_MAJOR, GOOD[:3]), ""), answer) == 0.0


def test_reward_is_nothing_for_a_broken_rule_and_otherwise_by_taste() -> None:
    domain, task = MelodyEnvironment(), Task(music.prompt_of(C_MAJOR, GOOD[:3]), "")
    assert read_melody(GOOD[:3], written(GOOD[3:])) == GOOD
    assert domain.reward(task, written(GOOD[3:])) > 0.3
    assert domain.reward(task, written(with_notes(n7="Eb4")[3:])) == 0.0
