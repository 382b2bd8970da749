"""What a run may spend is held against what it has spent before more is begun, and the sums are exact."""

from __future__ import annotations

import json
import math
import threading
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.budget import Reserve, remaining, reserve
from agent.dispatch import Dispatcher
from agent.laboratory import Laboratory
from agent.plan import plan
from agent.researchers.allowance import LEAST_COMPLETION, Allowance, Bounds
from agent.researchers.base import NotAsked, ResearcherError
from agent.researchers.conversation import Conversation, Exchange, Turn
from agent.settings import InvalidOption
from tests.agent.a_laboratory import PutClock, budget, build_laboratory, settings
from workspaces.review import spent as words
from workspaces.spending import ENDED_FILE, cost, read_spent
from workspaces.workspace import Workspace

TURNS = (Turn("user", "x" * 300),)
PRICE = (0.15, 0.6)


def exchange(prompt: int | None, completion: int | None) -> Exchange:
    return Exchange("m", TURNS, "said", prompt_tokens=prompt, completion_tokens=completion)


def converse(directory: Path, attempt: int, *counts: tuple[int | None, int | None]) -> None:
    for prompt, completion in counts:
        Conversation(directory / "attempts" / f"{attempt:04d}").append(exchange(prompt, completion))


def train(directory: Path, *seconds: float) -> None:
    rows = "".join(json.dumps({"key": "k", "seconds": one}) + "\n" for one in seconds)
    (directory / ENDED_FILE).write_text(rows)


def bounded(laboratory: Laboratory, **bounds: Any) -> Laboratory:
    return replace(laboratory, settings=laboratory.settings.model_copy(update=bounds))


@given(st.lists(st.floats(0, 1e5), max_size=50))
def test_training_seconds_are_the_sum_of_their_records_to_the_digit(
    tmp_path_factory: pytest.TempPathFactory, seconds: list[float]
) -> None:
    directory = tmp_path_factory.mktemp("run")
    train(directory, *seconds)
    assert read_spent(directory).training_seconds == math.fsum(seconds)


def test_tokens_and_dollars_are_the_sum_of_the_conversations_to_the_digit(tmp_path: Path) -> None:
    converse(tmp_path, 1, (1_000, 100), (2_000, 33))
    converse(tmp_path, 2, (7, 1), (None, None))
    found = read_spent(tmp_path, PRICE)
    assert (found.prompt_tokens, found.completion_tokens, found.uncounted) == (3_007, 134, 1)
    assert found.dollars == Decimal("0.00053145")
    assert found.longest == (3_000, 133)


def test_a_training_that_a_kill_ended_is_counted_and_its_time_is_not_made_up(tmp_path: Path) -> None:
    train(tmp_path, 4.0)
    (tmp_path / "trainings.jsonl").write_text('{"key": "a"}\n{"key": "b"}\n{"key": ')
    found = read_spent(tmp_path)
    assert (found.training_seconds, found.trainings, found.cut_off) == (4.0, 2, 1)


@pytest.mark.parametrize(
    ("bounds", "fits"),
    [
        ({}, True),
        ({"training_seconds": 130.0}, True),
        ({"training_seconds": 129.0}, False),
        ({"minutes": 2.0}, True),
        ({"minutes": 1.0}, False),
        ({"tokens": 520}, True),
        ({"tokens": 519}, False),
        ({"dollars": 0.0003, "price": (1.0, 0.0)}, True),
        ({"dollars": 0.00029, "price": (1.0, 0.0)}, False),
    ],
)
def test_no_attempt_is_begun_that_would_exceed_a_budget(
    tmp_path: Path, bounds: dict[str, Any], fits: bool
) -> None:
    laboratory = bounded(build_laboratory(tmp_path), **bounds)
    train(tmp_path, 20.0, 10.0)
    converse(tmp_path, 1, (100, 100))
    converse(tmp_path, 2, (100, 20))
    for number in (1, 2):
        (tmp_path / "attempts" / f"{number:04d}").rename(tmp_path / "attempts" / f"x{number}")
    found = budget(laboratory, PutClock(10.0), Reserve(seconds=60.0, training_seconds=100.0))
    with Dispatcher(tmp_path, laboratory, found) as dispatcher:
        taken = dispatcher.take(Workspace(laboratory.ledger, tmp_path / "worktree"))
    assert (taken == 1) is fits


def test_a_round_and_the_confirmation_are_kept_back_at_the_longest_training(tmp_path: Path) -> None:
    settings = build_laboratory(tmp_path).settings
    kept = reserve(each=4.0, longest=5.0, closing=10, settings=settings)
    assert kept.seconds == 4.0 * (settings.seeds + 10) / settings.workers
    a_round = settings.workers * (1 + settings.seeds) + settings.seeds + 3
    assert kept.training_seconds == 5.0 * (a_round + 10)


@pytest.mark.parametrize("bounds", [Bounds(tokens=2_000), Bounds(dollars=0.002, price=(1.0, 1.0))])
def test_a_request_that_would_exceed_the_allowance_is_not_made(bounds: Bounds) -> None:
    allowance = Allowance(None, bounds)
    with allowance.claimed(TURNS):
        allowance.count(exchange(500, 500))
    with pytest.raises(NotAsked, match="would exceed the run's"), allowance.claimed(TURNS):
        raise AssertionError("asked")


def test_requests_in_flight_are_held_against_the_allowance_too() -> None:
    allowance = Allowance(None, Bounds(tokens=2 * (LEAST_COMPLETION + 100)))
    entered, leave = threading.Event(), threading.Event()

    def ask() -> None:
        with allowance.claimed(TURNS):
            entered.set()
            leave.wait(10)

    other = threading.Thread(target=ask)
    other.start()
    assert entered.wait(10)
    with allowance.claimed(TURNS), pytest.raises(NotAsked), allowance.claimed(TURNS):
        raise AssertionError("asked")
    leave.set()
    other.join()


def test_what_was_spent_before_a_kill_still_counts(tmp_path: Path) -> None:
    converse(tmp_path, 1, (900, 200))
    with pytest.raises(NotAsked, match="1,100 are used"), Allowance(tmp_path, Bounds(2_000)).claimed(TURNS):
        raise AssertionError("asked")


def test_an_endpoint_that_does_not_count_cannot_be_bounded() -> None:
    Allowance().count(exchange(None, None))
    with pytest.raises(ResearcherError, match="does not say how many tokens"):
        Allowance(None, Bounds(tokens=10_000)).count(exchange(10, None))


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_money_is_exact(prompt: int, completion: int) -> None:
    exact = (prompt * Decimal("0.15") + completion * Decimal("0.6")) / 1_000_000
    assert cost(prompt, completion, PRICE) == exact


def test_what_is_spent_is_told_beside_what_is_allowed(tmp_path: Path) -> None:
    laboratory = bounded(
        build_laboratory(tmp_path), researcher="language-model", tokens=10_000, dollars=1.0, price=PRICE
    )
    converse(tmp_path, 1, (1_000, 100))
    train(tmp_path, 1.25, 2.5)
    told = budget(laboratory).told(1)
    assert told == (
        "Spent: 1 of 6 attempts; 0.0 minutes; 3.8 training seconds; 1,100 of 10,000 tokens; "
        "0.00021 of 1 dollars."
    )
    data = words.data(laboratory.settings.model_dump(), read_spent(tmp_path, PRICE))
    assert (data["training_seconds"], data["tokens"], data["dollars"]) == (3.75, 1_100, "0.00021")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tokens": 5}, "asks none"),
        ({"dollars": 5.0, "price": PRICE}, "asks none"),
        ({"dollars": 5.0, "researcher": "language-model", "model": "m"}, "--price"),
    ],
)
def test_a_bound_that_binds_nothing_is_refused(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    asked: dict[str, Any] = {"researcher": "catalogue", "model": None} | options
    with pytest.raises(InvalidOption, match=said):
        plan(
            goal="Solve more", environment="countdown", metric=None, guards=None, attempts=2, minutes=None,
            seeds=2, workers=1, device="cpu", search="hill-climb", runs_dir=tmp_path, name="a-run", seed=0,
            sandbox="none", keep_policies=False, **asked,
        )  # fmt: skip


def test_what_is_left_counts_the_conversations_of_earlier_rounds_only(tmp_path: Path) -> None:
    for number in (1, 2):
        folder = tmp_path / "attempts" / f"{number:04d}"
        folder.mkdir(parents=True)
        row = {"reply": "yes", "prompt_tokens": 900, "completion_tokens": 100}
        (folder / "conversation.jsonl").write_text(json.dumps(row) + "\n")
    bounded = settings().model_copy(update={"tokens": 5000, "minutes": 30.0})
    assert remaining(tmp_path, bounded, 1) == ("30.0 of 30 minutes", "4,000 of 5,000 tokens")
    assert remaining(tmp_path, bounded, 2)[1] == "3,000 of 5,000 tokens"
    assert remaining(tmp_path, settings(), 2) == ()
