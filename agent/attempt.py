"""One attempt as a LangGraph graph: propose → edit → check → train → score → decide.

Owns the order of the steps. Every node first asks whether it is already done, so a node that runs
twice after a kill changes nothing. State holds numbers and commits only.
"""

from __future__ import annotations

import time
from collections.abc import Hashable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from agent import inventions
from agent.asking import unless_stopped
from agent.attempt_folder import MOST_REPAIRS, PERSON, REAPPLICATION, Proposed
from agent.check import CheckFailed, check_code
from agent.contest import AttemptState, Contest, FailedEarly
from agent.control_check import ControlRefused
from agent.decision import NeedSeed
from agent.events import Phase, Progress
from agent.laboratory import Laboratory
from agent.novelty import already_tried
from agent.proposal import Proposal
from agent.referee import Referee
from agent.researchers.base import NoProposal, NotAsked
from agent.rounds import Race, Rounds
from agent.seeds import SCREENING_SEED, SeedPlan
from workspaces.controls import NotAControl
from workspaces.edits import EditError, apply_edits
from workspaces.remarks import read_remarks
from workspaces.workspace import Workspace

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.graph.state import CompiledStateGraph


class Attempt:
    """Runs attempts in one work tree; one of these a worker. `helps`: while it waits it trains for others."""

    def __init__(
        self,
        laboratory: Laboratory,
        workspace: Workspace,
        referee: Referee,
        rounds: Rounds,
        *,
        helps: bool = True,
    ) -> None:
        self.laboratory = laboratory
        self.workspace = workspace if helps else None
        self.referee = referee
        self.rounds = rounds
        self.contest = Contest(laboratory, workspace, rounds, referee.foresight, self._tell)
        self._started = time.monotonic()

    def graph(self, saver: BaseCheckpointSaver[Any]) -> CompiledStateGraph[Any, Any, Any, Any]:
        from langgraph.graph import END, START, StateGraph

        graph = StateGraph(AttemptState)
        for name in ("propose", "edit", "check", "train", "score", "decide"):
            graph.add_node(name, getattr(self, f"_{name}"))
        graph.add_edge(START, "propose")
        graph.add_conditional_edges("propose", _after, {"next": "edit", "decide": "decide"})
        for name, following in (("edit", "check"), ("check", "train"), ("train", "score")):
            ways: dict[Hashable, str] = {"next": following, "repair": "propose", "decide": "decide"}
            graph.add_conditional_edges(name, _after, ways)
        graph.add_edge("score", "decide")
        graph.add_conditional_edges("decide", _after_decision, {"train": "train", "end": END})
        return graph.compile(checkpointer=saver)

    def begin(self) -> None:
        """Start the attempt's clock."""
        self._started = time.monotonic()

    def _propose(self, state: AttemptState) -> AttemptState:
        laboratory, number = self.laboratory, state["number"]
        repairs = state.get("repairs", 0) + (1 if state.get("failed") else 0)
        self._tell(number, "propose")
        folder = laboratory.folder(number)
        proposed = folder.proposed(repairs)
        if proposed is None:
            self.rounds.wait(lambda: self.rounds.proposed(laboratory.shown_to(number)), self.workspace)
        fixed: AttemptState = {"repairs": repairs, "failed": False}
        if "parent" not in state:
            with laboratory.lock:
                standing = laboratory.standing_of(number)
            fixed["parent"], fixed["parent_commit"] = standing.parent, standing.parent_commit
            fixed["comparator"], fixed["comparator_commit"] = standing.comparator, standing.comparator_commit
        state = {**state, **fixed}
        if proposed is None:
            try:
                proposed = self._ask(number, state["parent"], state["parent_commit"], repairs)
            except NoProposal as error:
                reason = str(error)
                if isinstance(error, NotAsked):
                    self.rounds.not_asked = reason
                if repairs:
                    reason = f"{folder.failure.splitlines()[0]}; not mended: {reason}"
                return {**fixed, "ended": "refused", "reason": reason}
            folder.keep_proposal(repairs, proposed)
        proposal = proposed.proposal
        told = _prediction(proposal, trains_policy=laboratory.spec.trains_policy)
        self._tell(number, "propose", hypothesis=proposal.hypothesis, detail=told)
        return fixed

    def _ask(self, number: int, parent: int, commit: str, repairs: int) -> Proposed:
        laboratory, folder = self.laboratory, self.laboratory.folder(number)
        original = folder.reapplies
        if original is not None:
            late = laboratory.folder(original).last_proposed()
            if repairs or late is None:
                raise NoProposal(f"the edits of attempt {original} do not fit the newer incumbent")
            return Proposed(late.proposal, f"{REAPPLICATION}{original}")
        offered = folder.offered
        if offered is not None:
            if repairs:
                raise NoProposal("nobody but its author mends a person's attempt")
            return Proposed(offered, PERSON)
        if folder.heard is None:
            folder.heard = len(read_remarks(laboratory.directory))
        context, researcher = laboratory.context(number, parent, commit), laboratory.researcher
        earlier = folder.proposed(repairs - 1)

        def ask() -> Proposal:
            if earlier is None:
                return researcher.propose(context, folder.path)
            return researcher.repair(context, earlier.proposal, folder.failure, folder.path)

        return Proposed(unless_stopped(ask, laboratory.stopping), researcher.name)

    def _edit(self, state: AttemptState) -> AttemptState:
        laboratory, number, repairs = self.laboratory, state["number"], state["repairs"]
        spec = laboratory.spec
        proposed = laboratory.folder(number).proposed(repairs)
        if proposed is None:
            raise RuntimeError(f"attempt {number} lost its proposal")
        self._tell(number, "edit")
        before = laboratory.history.files(state["parent_commit"])
        try:
            after = apply_edits(
                before, proposed.proposal.edits, editable=spec.editable, protected=spec.protected
            )
        except EditError as error:
            return self._fail(number, repairs, str(error), "refused")
        changed = {path: text for path, text in after.items() if before.get(path) != text}
        self.rounds.wait(lambda: self.rounds.proposed(self._before(number)), self.workspace)
        with laboratory.lock:
            commit = self._commit_code(state, proposed, changed)
            known = self._already_tried(state, proposed, commit)
        if known is not None:
            return self._fail(number, repairs, known, "refused")
        return {"code_commit": commit, "seed": SCREENING_SEED}

    def _commit_code(self, state: AttemptState, proposed: Proposed, changed: dict[str, str]) -> str:
        proposal = proposed.proposal
        return self.laboratory.ledger.commit_code(
            state["number"],
            state["parent_commit"],
            state["parent"],
            changed,
            hypothesis=proposal.hypothesis,
            mechanism=proposal.mechanism,
            researcher=proposed.researcher,
            predicted_score_change=proposal.predicted_score_change,
            predicted_entropy=proposal.predicted_entropy if self.laboratory.spec.trains_policy else None,
            repair=state["repairs"],
        )

    def _already_tried(self, state: AttemptState, proposed: Proposed, commit: str) -> str | None:
        """Why this code costs no training; a re-application may be what an earlier attempt was."""
        if proposed.researcher.startswith(REAPPLICATION):
            return None
        return already_tried(self.laboratory, state["number"], state["parent_commit"], commit)

    def _check(self, state: AttemptState) -> AttemptState:
        self._tell(state["number"], "check")
        if not self.laboratory.spec.trains_policy:
            # What a foreign repository imports, and from where, only its own command can tell.
            return {}
        laboratory, commit = self.laboratory, state["code_commit"]
        try:
            check_code(laboratory.ledger.files(commit))
            inventions.check(
                laboratory.ledger, state["parent_commit"], commit, sandbox=laboratory.settings.sandbox
            )
        except (CheckFailed, NotAControl, ControlRefused) as error:
            return self._fail(state["number"], state["repairs"], str(error), "refused")
        return {}

    def _train(self, state: AttemptState) -> AttemptState:
        try:
            return self.contest.train(state)
        except FailedEarly as error:
            return self._fail(state["number"], state["repairs"], str(error), "crashed")

    def _score(self, state: AttemptState) -> AttemptState:
        return self.contest.score(state)

    def _decide(self, state: AttemptState) -> AttemptState:
        laboratory, number = self.laboratory, state["number"]
        if "ended" not in state and "entrant" not in state:
            self.rounds.wait(lambda: self.rounds.screened(self._before(number)), self.workspace)
        with laboratory.lock:
            record = laboratory.ledger.attempt(number)
            if record is not None and record.result_commit is not None:
                self.referee.settle(number, state["comparator_commit"])
                return {"racing": False}
            if "ended" in state:
                self.rounds.end(number)
                return self._close(state)
            code, comparator, last = state["code_commit"], state["comparator_commit"], state["seed"]
            plan = self._plan(state)
            ruling = self.referee.judge(code, comparator, state.get("alpha"), plan, last)
            if isinstance(ruling, NeedSeed):
                return self._go_on(state, ruling, plan)
        self.rounds.end(number)
        doubt = self.contest.scored_otherwise(state) if ruling.outcome == "kept" else None
        if doubt is not None:
            ruling = replace(ruling, outcome="void", reason=doubt)
        if ruling.outcome == "kept":
            self.rounds.wait(lambda: self.rounds.decided(self._before(number)), self.workspace)
        with laboratory.lock:
            looked = plan.until(last)
            outcome = self.referee.rule(number, state["comparator"], comparator, code, ruling, looked)
        self._tell(number, "done", detail=ruling.reason, verdict=outcome, change=ruling.change)
        return {"racing": False}

    def _plan(self, state: AttemptState) -> SeedPlan:
        """The seeds of the attempt's race, fixed when it enters."""
        branched = state["parent"] != state["comparator"]
        plan = self.referee.plan(state["number"], branched=branched)
        return replace(plan, evidence=tuple(state["evidence"])) if "evidence" in state else plan

    def _go_on(self, state: AttemptState, ruling: NeedSeed, plan: SeedPlan) -> AttemptState:
        number = state["number"]
        self._tell(number, "decide", detail=ruling.reason)
        onward: AttemptState = {"seed": ruling.seed_index, "evidence": plan.evidence, "racing": True}
        if "entrant" not in state:
            onward["entrant"], onward["alpha"] = self.referee.enter(number)
        coming = [
            trained
            for seed in (ruling.seed_index, *plan.after(ruling.seed_index))
            for trained in (self.contest.of_attempt(state, seed), self.contest.of_comparator(state, seed))
        ]
        self.rounds.race(number, Race(ruling.seed_index, tuple(coming[1:])))
        return onward

    def _before(self, number: int) -> range:
        """The attempts before this one whose results it may not know."""
        return range(self.laboratory.horizon(number) + 1, number)

    def _close(self, state: AttemptState) -> AttemptState:
        """Record an attempt that never came to a verdict; it stays reviewable, be it by its parent's tree."""
        number, outcome, reason = state["number"], state["ended"], state["reason"]
        if self.laboratory.ledger.attempt(number) is None:
            nothing = Proposal.model_construct(
                hypothesis="no usable proposal",
                mechanism=reason,
                predicted_score_change=0.0,
                predicted_entropy=0.0,
            )
            proposed = self.laboratory.folder(number).last_proposed()
            self._commit_code(state, proposed or Proposed(nothing, self.laboratory.researcher.name), {})
        code = state.get("code_commit") if outcome != "refused" else None
        self.referee.close(number, state["comparator"], outcome, reason, code)
        self._tell(number, "done", detail=reason, verdict=outcome)
        return {"racing": False}

    def _fail(
        self, number: int, repairs: int, failure: str, ended: Literal["refused", "crashed"]
    ) -> AttemptState:
        """Back to the researcher with the failure, at most twice."""
        headline = failure.splitlines()[0]
        self._tell(number, "check", detail=headline[:200])
        self.laboratory.folder(number).failure = failure
        if repairs < MOST_REPAIRS:
            return {"failed": True}
        return {"ended": ended, "reason": headline[:400]}

    def _tell(self, number: int, phase: Phase, **known: Any) -> None:
        seconds = time.monotonic() - self._started
        self.laboratory.observer(Progress(attempt=number, phase=phase, seconds=seconds, **known))


def _after(state: AttemptState) -> str:
    if "ended" in state:
        return "decide"
    return "repair" if state.get("failed") else "next"


def _after_decision(state: AttemptState) -> str:
    return "train" if state["racing"] else "end"


def _prediction(proposal: Proposal, *, trains_policy: bool) -> str:
    entropy = proposal.predicted_entropy if trains_policy else None
    final = "" if entropy is None else f" and final entropy {entropy:.3f} nats a token"
    change = proposal.predicted_score_change
    return f"predicts {'no figure' if change is None else f'{change:+.4f}'}{final}"
