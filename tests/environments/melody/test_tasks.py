"""Splits share no opening, in whatever key; a task is a function of its seed."""

from __future__ import annotations

import random

import pytest

from environments.base import Split
from environments.melody.environment import MelodyEnvironment
from environments.melody.music import (
    LARGEST_LEAP,
    OPENINGS,
    PITCHES,
    SPLIT_OF,
    broken_rules,
    draw_tasks,
    intervals_of,
    opening_of,
    read_prompt,
)
from environments.melody.warm_start import demonstration

EVERYTHING = 10**6


def test_three_tenths_of_all_openings_are_held_out_in_two_halves() -> None:
    sizes = {split: len(OPENINGS[split]) for split in Split}
    assert len(SPLIT_OF) == sum(sizes.values()) == 480
    assert sizes[Split.SELECTION] == sizes[Split.CONFIRMATION] == 72


def test_tasks_of_the_splits_share_no_opening_in_any_key() -> None:
    openings = {
        split: {
            opening_of(*read_prompt(task.prompt))
            for seed in (0, 2**40)
            for task in draw_tasks(split, seed, EVERYTHING)
        }
        for split in Split
    }
    for split, found in openings.items():
        assert found == set(OPENINGS[split])
    assert not openings[Split.TRAINING] & (openings[Split.SELECTION] | openings[Split.CONFIRMATION])
    assert not openings[Split.SELECTION] & openings[Split.CONFIRMATION]


def test_warm_start_never_saw_a_held_out_opening() -> None:
    rng = random.Random(1)
    seen = {opening_of(*read_prompt(demonstration(rng)[0])) for _ in range(10_000)}
    assert seen <= set(OPENINGS[Split.TRAINING])
    assert len(seen) > 50


def test_cluster_of_a_task_is_its_opening() -> None:
    for task in draw_tasks(Split.SELECTION, 3, 200):
        assert task.cluster == opening_of(*read_prompt(task.prompt)).name


def test_openings_break_no_rule_that_they_could_break() -> None:
    for split in Split:
        for task in draw_tasks(split, 0, EVERYTHING):
            scale, notes = read_prompt(task.prompt)
            assert set(broken_rules(scale, notes)) <= {"length", "end"}
            assert set(notes) <= set(PITCHES)
            assert max(map(abs, intervals_of(notes))) <= LARGEST_LEAP


@pytest.mark.parametrize("split", list(Split))
def test_tasks_are_a_function_of_the_seed_and_differ(split: Split) -> None:
    first, again, other = (draw_tasks(split, seed, 60) for seed in (4, 4, 5))
    assert first == again
    assert not {task.prompt for task in first} >= {task.prompt for task in other}
    assert len({task.prompt for task in first}) == 60
    assert len({task.cluster for task in first}) == 60


def test_there_are_confirmation_tasks_for_six_seals() -> None:
    domain, seeds = MelodyEnvironment(), range(6)
    seals = [domain.resealed(list(seeds[:n]), seed)._sealed for n, seed in enumerate(seeds)]
    prompts = {task.prompt for sealed in seals if sealed is not None for task in sealed[1]}
    assert len(prompts) == 6 * domain.scored_tasks


@pytest.mark.parametrize(
    "text",
    ["", "MEL C major C4 E4 >", "MEL H major C4 E4 G4 >", "CD C major C4 E4 G4 >", "MEL C major 1 2 3 >"],
)
def test_text_that_is_no_prompt_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a melody prompt"):
        read_prompt(text)
