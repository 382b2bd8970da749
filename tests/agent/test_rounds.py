"""What rounds promise: a proposal sees what is decided before its round, and who waits helps who races."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from agent.contest import AttemptState, Contest
from agent.decision import Verdict
from agent.dispatch import Dispatcher
from agent.failures import Cancelled
from agent.foresight import Foresight
from agent.laboratory import Laboratory
from agent.referee import Referee
from agent.rounds import Race, Rounds, Trained
from agent.seeds import seed_plan
from agent.training import Subject
from environments.base import Split
from tests.agent.a_laboratory import SEEDS, PutClock, budget, build_laboratory, gained, propose, put_scores
from workspaces.executors.base import Job, Outcome
from workspaces.workspace import Workspace

ALPHA = 0.1


def race_at(laboratory: Laboratory, subject: Subject, seed: int) -> Race:
    """A race whose own worker is at `seed`; the baseline is its comparator."""
    plan, other = seed_plan(SEEDS), laboratory.folder(0).path
    coming = [
        trained
        for later in (seed, *plan.after(seed))
        for trained in (
            Trained(subject.commit, subject.folder, later),
            Trained(laboratory.baseline, other, later),
        )
    ]
    return Race(seed, tuple(coming[1:]))


@pytest.fixture
def laboratory(tmp_path: Path) -> Laboratory:
    """Two workers."""
    return build_laboratory(tmp_path)


@dataclass
class Measured:
    """Stands in for a training: notes who was measured on which seed, and stores a score."""

    laboratory: Laboratory
    seeds: list[int] = field(default_factory=list)

    def __call__(self, subject: Subject, seed: int, split: Split) -> None:
        self.seeds.append(seed)
        put_scores(self.laboratory, subject.commit, gained()[: seed + 1])


def work_tree(laboratory: Laboratory, slot: int = 0) -> Workspace:
    return Workspace(laboratory.ledger, laboratory.directory / "worktrees" / str(slot))


def decide(laboratory: Laboratory, number: int) -> None:
    code = propose(laboratory, number)
    put_scores(laboratory, code, gained([-0.1] * (SEEDS + 1))[:1])
    referee = Referee(laboratory, {})
    verdict = referee.judge(code, laboratory.baseline, None, seed_plan(SEEDS))
    assert isinstance(verdict, Verdict)
    referee.rule(number, 0, laboratory.baseline, code, verdict, (0,))


def test_a_proposal_sees_results_of_earlier_rounds_and_code_of_its_own(laboratory: Laboratory) -> None:
    decide(laboratory, 1)
    of_the_same_round = laboratory.context(2, 0, laboratory.baseline).history
    assert [(entry.number, entry.verdict, entry.score) for entry in of_the_same_round] == [(1, None, None)]
    assert of_the_same_round[0].files
    decide(laboratory, 2)
    of_the_next = laboratory.context(3, 0, laboratory.baseline).history
    assert [(entry.number, entry.verdict) for entry in of_the_next] == [(1, "reverted"), (2, "reverted")]


def test_who_waits_trains_ahead_no_further_than_there_are_others(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds, measured = Rounds(laboratory), Measured(laboratory)
    monkeypatch.setattr(laboratory.measurer, "measure", measured)
    subject = Subject(propose(laboratory, 1), laboratory.folder(1).path, work_tree(laboratory))
    put_scores(laboratory, subject.commit, gained()[:1])
    for at in range(1, SEEDS + 1):
        rounds.race(1, race_at(laboratory, subject, at))
        tries = iter([False, False, True])
        rounds.wait(lambda tries=tries: next(tries), work_tree(laboratory, 1))  # type: ignore[misc]
    assert measured.seeds == list(range(2, SEEDS + 1))


def test_who_races_trains_on_while_another_is_at_its_seed(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds, measured = Rounds(laboratory), Measured(laboratory)
    begun, finish = threading.Event(), threading.Event()

    def measure(subject: Subject, seed: int, split: Split) -> None:
        if seed == 2:
            begun.set()
            assert finish.wait(30)
        measured(subject, seed, split)
        finish.set()

    monkeypatch.setattr(laboratory.measurer, "measure", measure)
    subject = Subject(propose(laboratory, 1), laboratory.folder(1).path, work_tree(laboratory))
    rounds.race(1, race_at(laboratory, subject, 1))
    helper = threading.Thread(target=lambda: rounds.wait(begun.is_set, work_tree(laboratory, 1)))
    helper.start()
    assert begun.wait(30)
    rounds.race(1, race_at(laboratory, subject, 2))
    rounds.wait(lambda: not rounds.helped(Trained(subject.commit, subject.folder, 2)), subject.workspace)
    helper.join()
    assert sorted(measured.seeds) == [2, 3]


@dataclass
class Executor:
    """Stands in for one: a job runs until it is cancelled."""

    begun: threading.Event = field(default_factory=threading.Event)
    cancelled: threading.Event = field(default_factory=threading.Event)

    def submit(self, job: Job) -> str:
        return job.name

    def wait(self, handle: str) -> Outcome:
        self.begun.set()
        assert self.cancelled.wait(30)
        return Outcome(None, 0.0, 0.0, cancelled=True)

    def cancel(self, handle: str) -> None:
        self.cancelled.set()

    def close(self) -> None:
        self.cancelled.set()


@pytest.mark.parametrize("stopping", [False, True])
def test_help_for_a_race_that_ends_meanwhile_is_cancelled_and_no_error(
    laboratory: Laboratory, stopping: bool
) -> None:
    rounds, executor, waited = Rounds(laboratory), Executor(), list[str]()
    laboratory.measurer.trainer.executor = executor
    subject = Subject(propose(laboratory, 1), laboratory.folder(1).path, work_tree(laboratory))
    rounds.race(1, race_at(laboratory, subject, 1))

    def help_out() -> None:
        try:
            rounds.wait(executor.cancelled.is_set, work_tree(laboratory, 1))
            waited.append("to the end")
        except Cancelled:
            waited.append("until stopped")

    helper = threading.Thread(target=help_out)
    helper.start()
    assert executor.begun.wait(30)
    rounds.end(2)
    assert not executor.cancelled.is_set()
    if stopping:
        laboratory.stopping.set()
    rounds.end(1)
    helper.join(30)
    assert waited == ["until stopped" if stopping else "to the end"]
    assert laboratory.measurer.find(subject.commit, 2, Split.SELECTION) is None
    assert not rounds.helped(Trained(subject.commit, subject.folder, 2))


def test_a_race_that_is_over_is_not_helped(laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds, measured = Rounds(laboratory), Measured(laboratory)
    monkeypatch.setattr(laboratory.measurer, "measure", measured)
    subject = Subject(propose(laboratory, 1), laboratory.folder(1).path, work_tree(laboratory))
    rounds.race(1, race_at(laboratory, subject, 1))
    rounds.end(1)
    tries = iter([False, True])
    rounds.wait(lambda: next(tries), work_tree(laboratory, 1))
    assert measured.seeds == []


def test_time_closes_a_round_for_all_of_it_or_none(laboratory: Laboratory) -> None:
    clock = PutClock()
    laboratory = _with_minutes(laboratory, 1.0)
    with Dispatcher(laboratory.directory, laboratory, budget(laboratory, clock)) as dispatcher:
        assert dispatcher.take(work_tree(laboratory)) == 1
        clock.seconds = 61.0
        assert dispatcher.take(work_tree(laboratory)) == 2
        decide(laboratory, 1)
        decide(laboratory, 2)
        assert dispatcher.take(work_tree(laboratory)) is None


def test_a_gap_that_a_kill_left_in_a_round_is_filled(laboratory: Laboratory) -> None:
    laboratory.folder(2)
    with Dispatcher(laboratory.directory, laboratory, budget(laboratory)) as dispatcher:
        assert dispatcher.take(work_tree(laboratory)) == 2
        assert dispatcher.take(work_tree(laboratory)) == 1


def _with_minutes(laboratory: Laboratory, minutes: float) -> Laboratory:
    settings = laboratory.settings.model_copy(update={"minutes": minutes})
    return replace(laboratory, settings=settings)


def test_a_new_incumbent_is_measured_on_every_screening_seed_before_it_screens(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[tuple[str, int]] = []
    winner, code = propose(laboratory, 1), propose(laboratory, 2)
    put_scores(laboratory, winner, gained()[:1])
    put_scores(laboratory, code, gained()[:1])
    find = laboratory.measurer.find

    def measure(subject: Subject, seed: int, split: Split) -> object:
        measured.append((subject.commit, seed))
        return find(code, 0, split)

    monkeypatch.setattr(laboratory.measurer, "measure", measure)
    contest = Contest(
        laboratory, work_tree(laboratory), Rounds(laboratory), Foresight(laboratory), lambda *_, **__: None
    )
    state: AttemptState = {
        "number": 2, "parent": 1, "parent_commit": winner, "comparator": 1, "comparator_commit": winner,
        "code_commit": code, "seed": 0,
    }  # fmt: skip
    assert contest.score(state) == {}
    assert measured == [(code, 0), *((winner, seed) for seed in seed_plan(SEEDS).screening)]
