"""What choosing a parent promises: pure, never a failure, the best first, and no branch is starved."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.researchers.base import HistoryEntry
from agent.search import hill_climb, tree
from agent.search.plateau import PLATEAU, stalled

FILES = {"recipe.py": "LEARNING_RATE = 3e-5\nSTEPS = 300\n", "entropy_control.py": "TERMS = ()\n"}
FAILURES = ("void", "crashed", "refused", "stopped-early")
VERDICTS = ("kept", "reverted", "inconclusive", *FAILURES, None)
BASELINE = HistoryEntry(
    0, None, "template", "", "", None, None, "kept", None, 0.5, 0.0, None, 0.4, 15, FILES
)  # fmt: skip


def attempt(number: int, parent: int = 0, verdict: str | None = "reverted", **known: object) -> HistoryEntry:
    entry = replace(
        BASELINE, number=number, parent=parent, compared_with=0, verdict=verdict, seeds=1, entropy=0.4,
        files={**FILES, "recipe.py": f"LEARNING_RATE = {number}e-5\nSTEPS = 300\n"}, score=0.5,
    )  # fmt: skip
    return replace(entry, **known)  # type: ignore[arg-type]


def better(change: float) -> float:
    return change


def history_of(seed: int, attempts: int) -> list[HistoryEntry]:
    """A baseline and what chance makes of some attempts; each is held against the one that was last kept."""
    rng, entries, incumbent = random.Random(seed), [BASELINE], 0
    for number in range(1, attempts + 1):
        verdict = rng.choice(VERDICTS)
        entry = attempt(
            number,
            rng.randrange(number),
            verdict,
            compared_with=incumbent,
            score=rng.randint(-500, 500) / 1024 if verdict in tree.SCORED else None,
            entropy=rng.choice((None, *(eighths / 8 for eighths in range(9)))),
            seeds=rng.randint(1, 12),
            reason=rng.choice((None, "guard pass@1 fell")),
            files={**FILES, "recipe.py": f"LEARNING_RATE = {rng.randint(1, 9)}e-5\n"},
        )
        incumbent = number if verdict == "kept" else incumbent
        entries.append(entry)
    return entries


HISTORIES = st.builds(history_of, st.integers(0, 2**32), st.integers(0, 25))


@settings(deadline=None)
@given(HISTORIES)
def test_the_parent_is_the_baseline_or_was_scored_and_broke_no_guard(history: list[HistoryEntry]) -> None:
    chosen = history[tree.select(history, better)]
    assert chosen.number == 0 or (chosen.verdict in tree.SCORED and not chosen.broke_guard)


@settings(deadline=None)
@given(HISTORIES)
def test_equal_histories_give_equal_parents_and_are_left_as_they_were(history: list[HistoryEntry]) -> None:
    before = [replace(entry) for entry in history]
    assert tree.select(history, better) == tree.select(before, better)
    assert history == before


@settings(deadline=None)
@given(HISTORIES, st.sampled_from([0.25, 2.0, 8.0]), st.sampled_from([-2.0, 0.0, 1.0]))
def test_the_unit_of_the_metric_and_its_direction_do_not_matter(
    history: list[HistoryEntry], scale: float, shift: float
) -> None:
    def moved(sign: float) -> list[HistoryEntry]:
        return [
            entry if entry.score is None else replace(entry, score=sign * scale * (entry.score + shift))
            for entry in history
        ]

    chosen = tree.select(history, better)
    assert tree.select(moved(1.0), better) == chosen
    assert tree.select(moved(-1.0), lambda change: -change) == chosen


@settings(deadline=None)
@given(HISTORIES)
def test_one_more_child_makes_no_attempt_the_choice(history: list[HistoryEntry]) -> None:
    """Except where the choice before is what it was built from, and is more explored by that child too."""
    chosen = tree.select(history, better)
    for other in history:
        line, at = list[int](), other
        while at.parent is not None:
            at = history[at.parent]
            line.append(at.number)
        if chosen not in (other.number, *line):
            assert tree.select([*history, attempt(len(history), other.number, None)], better) != other.number


@settings(deadline=None)
@given(HISTORIES)
def test_the_incumbent_is_the_last_kept_whatever_was_built_on(history: list[HistoryEntry]) -> None:
    kept = [entry.number for entry in history if entry.verdict == "kept"]
    assert hill_climb.select(history) == kept[-1]
    assert hill_climb.select(history[1:]) == kept[-1]


def test_where_nothing_is_explored_the_best_that_was_kept_is_built_on() -> None:
    history = [BASELINE, attempt(1, score=0.49), attempt(2, verdict="kept", score=0.52, seeds=9)]
    assert tree.select(history, better) == 2
    assert tree.select([BASELINE], better) == 0


def test_a_score_of_many_seeds_outweighs_a_luckier_one_of_a_single_seed() -> None:
    history = [BASELINE, attempt(1, score=0.53), attempt(2, score=0.52, seeds=12)]
    assert tree.select(history, better) == 2


@pytest.mark.parametrize(
    "different",
    [{"files": {**FILES, "entropy_control.py": "TERMS = (Bonus(),)\n"}}, {"entropy": 0.1}],
    ids=["code", "entropy"],
)
def test_of_two_equally_good_the_one_that_differs_more_is_explored(different: dict[str, object]) -> None:
    alike = {"files": {**FILES, "recipe.py": "STEPS = 299\n"}, "score": 0.52}
    history = [BASELINE, attempt(1, **{**alike, **different}), *(attempt(n, **alike) for n in range(2, 5))]
    assert tree.select(history, better) == 1


def test_every_branch_gets_its_turn() -> None:
    """Nothing that is tried from the best comes to anything: then the others are tried too, all of them."""
    scored = [attempt(number, score=0.5 + number / 100, entropy=number / 10) for number in range(1, 7)]
    history, taken = [BASELINE, *scored], set[int]()
    for number in range(7, 200):
        parent = tree.select(history, better)
        taken.add(parent)
        history.append(
            attempt(number, parent, "kept" if number % PLATEAU == 0 else "crashed", score=math.nan)
        )
    assert taken == set(range(1, 7))


def test_two_workers_of_a_round_are_sent_to_different_places() -> None:
    history = [BASELINE, *(attempt(number, score=0.5 + number / 100) for number in range(1, 9))]
    first = tree.select(history, better)
    in_flight = attempt(9, first, None, score=None)
    assert tree.select([*history, in_flight], better) != first


def _without_gain(attempts: int, choose: Callable[[int], int]) -> list[HistoryEntry]:
    kept = attempt(1, verdict="kept", score=0.6, seeds=12)
    return [BASELINE, kept, *(attempt(n, choose(n), score=0.5) for n in range(2, 2 + attempts))]


def test_a_plateau_sends_the_search_to_another_branch() -> None:
    before, after = (_without_gain(count, lambda _: 0) for count in (PLATEAU - 1, PLATEAU))
    assert (stalled(before), stalled(after)) == (0, PLATEAU)
    assert tree.select(before, better) == 1
    assert tree.select(after, better) not in (0, 1)


def test_a_plateau_of_failures_alone_leaves_nowhere_else_to_go() -> None:
    history = [BASELINE, *(attempt(n, verdict="crashed", score=None) for n in range(1, PLATEAU + 2))]
    assert stalled(history) == PLATEAU + 1
    assert tree.select(history, better) == 0
