"""The two sides of a race: an attempt's trainings and scores, the comparator's beside them, and their trust.

Owns what is trained for a race and what becomes of a failure; the order of an attempt is `attempt`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, Protocol, TypedDict, TypeVar

from agent.events import Phase
from agent.failures import StoppedEarly, TrainingFailed, Untrusted
from agent.foresight import Foresight
from agent.laboratory import Laboratory
from agent.rounds import Rounds, Trained
from agent.seeds import SCREENING_SEED, seed_plan
from agent.training import Subject
from environments.base import Split
from workspaces.workspace import Workspace

Answer = TypeVar("Answer")


class AttemptState(TypedDict, total=False):
    """Where an attempt stands; ids and small numbers only."""

    number: int
    parent: int
    parent_commit: str
    comparator: int
    comparator_commit: str
    repairs: int
    code_commit: str
    seed: int
    evidence: tuple[int, ...]
    entrant: int
    alpha: float
    ended: Literal["refused", "crashed", "void", "stopped-early"]
    reason: str
    failed: bool
    racing: bool


class Tell(Protocol):
    """Tells whoever watches where an attempt stands."""

    def __call__(self, number: int, phase: Phase, **known: Any) -> None: ...


class FailedEarly(Exception):
    """The screening seed failed within its first steps: the researcher may mend the code."""


class Contest:
    """Trains and scores both sides of an attempt's race, in one work tree."""

    def __init__(
        self, laboratory: Laboratory, workspace: Workspace, rounds: Rounds, foresight: Foresight, tell: Tell
    ) -> None:
        self.laboratory = laboratory
        self.workspace = workspace
        self.rounds = rounds
        self._foresight = foresight
        self._screening = seed_plan(laboratory.settings.seeds).screening
        self._tell = tell

    def train(self, state: AttemptState) -> AttemptState:
        number, seed = state["number"], state["seed"]
        self._tell(number, "train", detail=f"seed {seed}")
        trained = self.of_attempt(state, seed)
        self.rounds.wait(lambda: not self.rounds.helped(trained), self.workspace)
        watch = None
        if seed == SCREENING_SEED:
            watch = self._foresight.watch(number, state["comparator"], state["comparator_commit"])
        try:
            self._trusted(state, partial(self.laboratory.measurer.train, watch=watch))
        except StoppedEarly as foreseen:
            return {"ended": "stopped-early", "reason": str(foreseen)}
        except TrainingFailed as error:
            if error.early and seed == SCREENING_SEED:
                raise FailedEarly(str(error)) from error
            return {"ended": "crashed", "reason": error.headline}
        except Untrusted as error:
            return {"ended": "void", "reason": str(error)}
        return {}

    def score(self, state: AttemptState) -> AttemptState:
        number, seed = state["number"], state["seed"]
        self._tell(number, "score", detail=f"seed {seed}")
        try:
            measured = self._trusted(state, self.laboratory.measurer.measure)
        except TrainingFailed as error:
            return {"ended": "crashed", "reason": error.headline}
        except Untrusted as error:
            return {"ended": "void", "reason": str(error)}
        asked = (seed,) if seed != SCREENING_SEED else self._screening
        for other in asked:
            try:
                self._measure_comparator(state, other)
            except (TrainingFailed, Untrusted) as error:
                reason = f"attempt {state['comparator']} could not be measured on seed {other}: {error}"
                return {"ended": "void", "reason": reason.partition("\n")[0]}
        metric = measured.score.metrics[self.laboratory.settings.metric]
        self._tell(
            number,
            "score",
            detail=f"seed {seed}",
            score=metric.value,
            standard_error=metric.standard_error,
            entropy=measured.entropy_end,
        )
        return {}

    def _trusted(self, state: AttemptState, work: Callable[[Subject, int, Split], Answer]) -> Answer:
        """What training or measuring gives, by `Measurer.trusted`. Raises what `work` raises."""
        number, seed = state["number"], state["seed"]

        def tell(error: Untrusted) -> None:
            self._tell(number, "train", detail=f"seed {seed} once more: {error}")

        return self.laboratory.measurer.trusted(work, self._subject(state), seed, Split.SELECTION, tell)

    def _measure_comparator(self, state: AttemptState, seed: int) -> None:
        """Measure the other side of the race on a seed, if nobody has."""
        trained = self.of_comparator(state, seed)
        self.rounds.wait(lambda: not self.rounds.helped(trained), self.workspace)
        subject = Subject(trained.commit, trained.folder, self.workspace)
        measurer = self.laboratory.measurer
        measurer.trusted(measurer.measure, subject, trained.seed, Split.SELECTION)

    def scored_otherwise(self, state: AttemptState) -> str | None:
        """Says so where a winner's last policy scores differently when it is scored again."""
        measurer, seed, metric = self.laboratory.measurer, state["seed"], self.laboratory.settings.metric
        found = measurer.find(state["code_commit"], seed, Split.SELECTION)
        try:
            again = measurer.score_anew(self._subject(state), seed, Split.SELECTION)
        except (TrainingFailed, Untrusted) as error:
            return f"seed {seed} cannot be scored again: {error}"
        if found is not None and found.score == again.score:
            return None
        values = [m.score.metrics[metric].value for m in (found, again) if m is not None]
        return f"seed {seed} scored {', and when scored again '.join(map(repr, values))}"

    def of_attempt(self, state: AttemptState, seed: int) -> Trained:
        return Trained(state["code_commit"], self.laboratory.folder(state["number"]).path, seed)

    def of_comparator(self, state: AttemptState, seed: int) -> Trained:
        return Trained(state["comparator_commit"], self.laboratory.folder(state["comparator"]).path, seed)

    def _subject(self, state: AttemptState) -> Subject:
        return Subject(state["code_commit"], self.laboratory.folder(state["number"]).path, self.workspace)
