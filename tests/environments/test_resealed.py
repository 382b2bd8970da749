"""A new seal has tasks that no earlier one had, or is refused."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from environments.base import InvalidEnvironment, Split, Task
from environments.countdown.environment import Countdown

SEEDS = st.integers(0, 2**31 - 1)


@settings(deadline=None, max_examples=20)
@given(st.lists(SEEDS, min_size=1, max_size=3), SEEDS)
def test_no_task_is_sealed_twice(opened: list[int], fresh: int) -> None:
    domain = Countdown()
    seals = [domain.resealed(opened[:n], seed)._sealed for n, seed in enumerate([*opened, fresh])]
    prompts = [{task.prompt for task in sealed[1]} for sealed in seals if sealed is not None]
    assert [len(each) for each in prompts] == [domain.scored_tasks] * len(prompts)
    assert len(set[str]().union(*prompts)) == domain.scored_tasks * len(prompts)


def test_the_first_seal_has_the_tasks_that_it_always_had() -> None:
    domain = Countdown()
    sealed = domain.resealed([], 7)._sealed
    assert sealed is not None
    assert list(sealed[1]) == list(domain.tasks(Split.CONFIRMATION, 7, domain.scored_tasks))


class Small(Countdown):
    scored_tasks = 60

    def tasks(self, split: Split, seed: int, count: int) -> Sequence[Task]:
        return super().tasks(split, 0, min(count, 100))


def test_a_domain_without_further_tasks_is_refused() -> None:
    with pytest.raises(InvalidEnvironment, match="40 confirmation tasks that were not opened"):
        Small().resealed([1], 2)
