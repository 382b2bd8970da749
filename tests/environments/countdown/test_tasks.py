"""Splits share no multiset; a task is a function of its seed and has a solution."""

from __future__ import annotations

import random
from functools import cache

import pytest

from environments.base import Split, Task
from environments.countdown.arithmetic import MULTISETS, SPLIT_OF, Numbers, draw_tasks, read_prompt
from environments.countdown.warm_start import demonstration


def numbers_of(task: Task) -> Numbers:
    return tuple(sorted(read_prompt(task.prompt)[0]))


@cache
def reachable(numbers: Numbers) -> frozenset[int]:
    """Every end of one to three legal steps, found without the domain's own arithmetic."""
    ends: set[int] = set()
    for i, a in enumerate(numbers):
        for j, b in enumerate(numbers):
            if i == j:
                continue
            left = [n for k, n in enumerate(numbers) if k not in (i, j)]
            for result in (a + b, a - b, a * b):
                if 0 < result < 100:
                    ends.add(result)
                    if left:
                        ends |= reachable(tuple(sorted([*left, result])))
    return frozenset(ends)


def test_a_fifth_of_all_multisets_is_held_out_in_two_halves() -> None:
    sizes = {split: len(MULTISETS[split]) for split in Split}
    assert len(SPLIT_OF) == sum(sizes.values()) == 715
    held_out = sizes[Split.SELECTION] + sizes[Split.CONFIRMATION]
    assert held_out == 715 // 5
    assert abs(sizes[Split.SELECTION] - sizes[Split.CONFIRMATION]) <= 1
    assert all(tuple(sorted(m)) == m for m in SPLIT_OF)


def test_tasks_of_the_splits_share_no_multiset() -> None:
    drawn = {
        split: {
            numbers_of(task)
            for seed in (0, 1, 7, 2**40)
            for task in draw_tasks(split, seed, 2 * len(MULTISETS[split]))
        }
        for split in Split
    }
    for split, multisets in drawn.items():
        assert multisets == set(MULTISETS[split])
    assert not drawn[Split.TRAINING] & (drawn[Split.SELECTION] | drawn[Split.CONFIRMATION])
    assert not drawn[Split.SELECTION] & drawn[Split.CONFIRMATION]


def test_warm_start_never_saw_a_held_out_multiset() -> None:
    rng = random.Random(1)
    seen = {tuple(sorted(read_prompt(demonstration(rng)[0])[0])) for _ in range(20_000)}
    assert seen == set(MULTISETS[Split.TRAINING])


def test_cluster_of_a_task_is_its_multiset() -> None:
    for task in draw_tasks(Split.SELECTION, 3, 100):
        assert task.cluster == "-".join(map(str, numbers_of(task)))


@pytest.mark.parametrize("split", list(Split))
def test_tasks_are_a_function_of_the_seed(split: Split) -> None:
    first, again, other = (draw_tasks(split, seed, 60) for seed in (4, 4, 5))
    assert first == again
    assert not {task.prompt for task in first} >= {task.prompt for task in other}
    assert len({task.prompt for task in first}) == 60


@pytest.mark.parametrize("split", list(Split))
def test_every_task_has_a_solution(split: Split) -> None:
    for task in draw_tasks(split, 11, 72):
        numbers, target = read_prompt(task.prompt)
        assert target in reachable(tuple(sorted(numbers)))


@pytest.mark.parametrize("text", ["", "CD 1 2 3 4 5", "CD 1 2 3 4 >", "XX 1 2 3 4 5 >", "CD a 2 3 4 5 >"])
def test_text_that_is_no_prompt_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a countdown prompt|invalid literal"):
        read_prompt(text)
