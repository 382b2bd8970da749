"""The text: in its alphabet, true to itself, a function of its seed, and apart between splits."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.base import Split, split_of
from environments.language_model.environment import LanguageModel
from environments.language_model.tales import (
    ALPHABET,
    MARKER,
    NUMBERS,
    PASSAGE,
    PASSAGES,
    VOCABULARY,
    draw_tales,
    ids_of,
)

NUMBER_OF = {name: number for number, name in enumerate(NUMBERS)}
MANY = 300


@given(st.integers(0, 2**31), st.sampled_from(Split))
def test_a_tale_fills_its_passages_with_the_alphabet(seed: int, split: Split) -> None:
    for tale in draw_tales(split, seed, 3):
        assert len(tale.text) == PASSAGE * PASSAGES
        assert "".join(tale.passages()) == tale.text
        assert set(tale.text) <= set(ALPHABET)
        assert split_of(tale.cell) is split
        assert all(name in tale.text for name in tale.cell.split()[:2])


def test_ids_are_places_in_the_alphabet_after_a_marker() -> None:
    assert list(ids_of(" By")) == [MARKER, 1, ALPHABET.index("B") + 1, ALPHABET.index("y") + 1]
    assert sorted({*ids_of(ALPHABET)}) == list(range(VOCABULARY))


def test_every_letter_of_the_alphabet_is_used() -> None:
    assert {*"".join(tale.text for tale in draw_tales(Split.TRAINING, 0, 3000))} == set(ALPHABET)


def test_splits_share_no_people_with_a_thing() -> None:
    cells = {split: {tale.cell for tale in draw_tales(split, 1, MANY)} for split in Split}
    assert not cells[Split.TRAINING] & cells[Split.SELECTION]
    assert not cells[Split.TRAINING] & cells[Split.CONFIRMATION]
    assert not cells[Split.SELECTION] & cells[Split.CONFIRMATION]


@pytest.mark.parametrize("split", list(Split))
def test_text_is_a_function_of_the_seed(split: Split) -> None:
    assert draw_tales(split, 4, 20) == draw_tales(split, 4, 20)
    assert draw_tales(split, 4, 20) != draw_tales(split, 5, 20)


def test_sums_of_a_tale_come_out() -> None:
    """Whoever follows the counts can foretell them: that is what there is to learn beyond spelling."""
    word = "|".join(NUMBERS)
    told = re.compile(
        rf"had ({word}) |(?:found|gave (?:her|him)) ({word}) more, and now (?:she|he) had ({word}) "
        rf"|(?:sold|took) ({word}) of them, which left (?:her|him) ({word}) |I have ({word}),"
    )
    checked = 0
    for tale in draw_tales(Split.TRAINING, 2, MANY):
        count = None
        for begun, more, more_left, less, less_left, said in told.findall(tale.text):
            before = count
            count = NUMBER_OF[begun or more_left or less_left or said]
            if more:
                assert before is not None
                assert before + NUMBER_OF[more] == count
            if less:
                assert before is not None
                assert before - NUMBER_OF[less] == count
            if said:
                assert before == count
            checked += bool(more or less or said)
    assert checked > MANY


def test_confirmation_text_is_never_opened_twice() -> None:
    domain, texts = LanguageModel(), set[str]()
    for seed in range(6):
        assert domain.resealed(list(range(seed)), seed) is domain
        texts |= {tale.text for tale in draw_tales(Split.CONFIRMATION, seed, 128)}
    assert len(texts) == 6 * 128
