"""What asking ahead promises: attempts in their order, none before its horizon, and no error is lost."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from agent.ahead import Ahead
from agent.budget import reserve
from agent.dispatch import Dispatcher
from agent.failures import Cancelled
from agent.laboratory import Laboratory
from agent.proposal import Proposal
from agent.referee import Referee
from agent.researchers.base import Context, NoProposal, ResearcherError
from tests.agent.a_laboratory import GAIN, budget, build_laboratory, gained, put_scores
from workspaces.workspace import Workspace


def patiently(until: Callable[[], bool]) -> None:
    while not until():
        time.sleep(0.001)


def test_attempts_come_in_their_order_until_there_are_no_more() -> None:
    numbers, proposed = iter([1, 2, 3, None]), list[int]()
    ahead = Ahead(lambda: next(numbers), lambda slot, number: proposed.append(number), 1)
    ahead.start()
    assert [ahead.take(patiently) for _ in range(4)] == [1, 2, 3, None]
    assert proposed == [1, 2, 3]


def test_a_later_one_that_is_ready_sooner_waits_for_its_turn() -> None:
    numbers, second = itertools.chain([1, 2], itertools.repeat(None)), threading.Event()

    def propose(slot: int, number: int) -> None:
        if number == 1:
            assert second.wait(30)
        else:
            second.set()

    ahead = Ahead(lambda: next(numbers), propose, 2)
    ahead.start()
    assert [ahead.take(patiently) for _ in range(3)] == [1, 2, None]


def test_what_was_ready_is_handed_out_before_the_error_is_raised() -> None:
    numbers = iter([1])

    def begin() -> int:
        for number in numbers:
            return number
        raise ResearcherError("The model cannot be reached.")

    ahead = Ahead(begin, lambda slot, number: None, 1)
    ahead.start()
    ahead.join()
    assert ahead.take(patiently) == 1
    for _ in range(2):
        with pytest.raises(ResearcherError, match="cannot be reached"):
            ahead.take(patiently)


def test_a_run_that_is_stopped_ends_the_asking_without_an_error() -> None:
    def begin() -> int:
        raise Cancelled("The run is being stopped.")

    ahead = Ahead(begin, lambda slot, number: None, 1)
    ahead.start()
    assert ahead.take(patiently) is None


@pytest.mark.parametrize(
    ("researcher", "workers", "expected"),
    [
        ("language-model", 2, [0, 0, 0, 0, 2, 2, 4]),
        ("hybrid", 3, [0, 0, 0, 0, 0, 0, 3]),
        ("catalogue", 2, [0, 0, 2, 2, 4, 4, 6]),
        ("language-model", 1, [0, 1, 2, 3, 4, 5, 6]),
    ],
)
def test_only_a_researcher_that_is_asked_and_has_several_workers_knows_a_round_less(
    tmp_path: Path, researcher: str, workers: int, expected: list[int]
) -> None:
    laboratory = asking(build_laboratory(tmp_path), researcher=researcher, workers=workers)
    assert [laboratory.horizon(number) for number in range(1, 8)] == expected


def test_what_is_kept_back_covers_every_round_under_way(tmp_path: Path) -> None:
    asked = asking(build_laboratory(tmp_path)).settings
    at_once = asked.model_copy(update={"researcher": "catalogue"})
    two, one = (reserve(1.0, 1.0, 0, settings).training_seconds for settings in (asked, at_once))
    assert two - one == (asked.workers + 1) * asked.seeds + asked.workers


class Scripted:
    """Says what it was shown, and proposes another number of steps for every attempt."""

    name = "language-model"

    def __init__(self) -> None:
        self.shown: list[tuple[int, list[tuple[int, str | None]]]] = []
        self.refuses: set[int] = set()
        self.is_down = False
        self.answers = threading.Semaphore(0)

    def propose(self, context: Context, directory: Path) -> Proposal:
        assert self.answers.acquire(timeout=30)
        if self.is_down:
            raise ResearcherError("The model cannot be reached.")
        self.shown.append((context.attempt, [(entry.number, entry.verdict) for entry in context.history]))
        if context.attempt in self.refuses:
            raise NoProposal("It would rather not.")
        edit = {"path": "recipe.py", "content": f"STEPS = {100 * 2**context.attempt}\n"}
        return Proposal.model_validate(
            {
                "hypothesis": "More steps solve more", "mechanism": "Longer.", "predicted_score_change": 0.1,
                "predicted_entropy": 0.3, "edits": [edit],
            }
        )  # fmt: skip

    def repair(self, context: Context, proposal: Proposal, failure: str, directory: Path) -> Proposal:
        raise NoProposal("It would rather not.")


def asking(laboratory: Laboratory, **changes: object) -> Laboratory:
    settings = laboratory.settings.model_copy(update={"researcher": "language-model", **changes})
    return replace(laboratory, settings=settings, researcher=Scripted())


def decide(laboratory: Laboratory, number: int) -> None:
    record = laboratory.ledger.attempt(number)
    assert record is not None
    assert record.code_commit is not None
    put_scores(laboratory, record.code_commit, gained([-gain for gain in GAIN])[:1])
    referee = Referee(laboratory, {})
    verdict = referee.judge(record.code_commit, laboratory.baseline, None, referee.plan(number))
    referee.rule(number, 0, laboratory.baseline, record.code_commit, verdict, (0,))  # type: ignore[arg-type]


def test_the_next_round_is_proposed_while_this_one_trains_and_never_further(tmp_path: Path) -> None:
    laboratory = asking(build_laboratory(tmp_path))
    researcher = laboratory.researcher
    assert isinstance(researcher, Scripted)
    workspace = Workspace(laboratory.ledger, tmp_path / "worktrees" / "0")
    researcher.answers.release(4)
    with Dispatcher(laboratory.directory, laboratory, budget(laboratory)) as dispatcher:
        assert [dispatcher.take(workspace) for _ in range(4)] == [1, 2, 3, 4]
        researcher.answers.release(2)
        assert len(researcher.shown) == 4, "attempt 5 must know what became of attempts 1 and 2"
        decide(laboratory, 2)
        decide(laboratory, 1)
        assert [dispatcher.take(workspace) for _ in range(2)] == [5, 6]
        for number in (3, 4, 5, 6):
            decide(laboratory, number)
        assert dispatcher.take(workspace) is None
    assert sorted(researcher.shown) == [
        (number, [(earlier, "reverted" if earlier <= known else None) for earlier in range(1, before)])
        for number, before, known in ((1, 1, 0), (2, 1, 0), (3, 3, 0), (4, 3, 0), (5, 5, 2), (6, 5, 2))
    ]


def test_a_refused_attempt_holds_up_nobody(tmp_path: Path) -> None:
    laboratory = asking(build_laboratory(tmp_path))
    researcher = laboratory.researcher
    assert isinstance(researcher, Scripted)
    researcher.refuses = {1}
    researcher.answers.release(4)
    workspace = Workspace(laboratory.ledger, tmp_path / "worktrees" / "0")
    with Dispatcher(laboratory.directory, laboratory, budget(laboratory)) as dispatcher:
        assert dispatcher.take(workspace) == 1
        dispatcher.run(1, workspace)
        record = laboratory.ledger.attempt(1)
        assert record is not None
        assert record.verdict == "refused"
        assert [dispatcher.take(workspace) for _ in range(3)] == [2, 3, 4]
        laboratory.stopping.set()


def test_a_model_that_cannot_be_reached_stops_who_takes_the_next_attempt(tmp_path: Path) -> None:
    laboratory = asking(build_laboratory(tmp_path))
    researcher = laboratory.researcher
    assert isinstance(researcher, Scripted)
    researcher.is_down = True
    researcher.answers.release(2)
    workspace = Workspace(laboratory.ledger, tmp_path / "worktrees" / "0")
    with Dispatcher(laboratory.directory, laboratory, budget(laboratory)) as dispatcher:
        for _ in range(2):
            with pytest.raises(ResearcherError, match="cannot be reached"):
                dispatcher.take(workspace)


def test_a_killed_run_takes_up_what_was_proposed_ahead_and_asks_nothing_twice(tmp_path: Path) -> None:
    laboratory = asking(build_laboratory(tmp_path))
    researcher = laboratory.researcher
    assert isinstance(researcher, Scripted)
    researcher.answers.release(4)
    workspace = Workspace(laboratory.ledger, tmp_path / "worktrees" / "0")
    with Dispatcher(laboratory.directory, laboratory, budget(laboratory)) as killed:
        assert [killed.take(workspace) for _ in range(4)] == [1, 2, 3, 4]
        laboratory.stopping.set()
    laboratory = replace(laboratory, stopping=threading.Event())
    with Dispatcher(laboratory.directory, laboratory, budget(laboratory)) as resumed:
        assert [resumed.take(workspace) for _ in range(4)] == [1, 2, 3, 4]
        laboratory.stopping.set()
    assert len(researcher.shown) == 4
