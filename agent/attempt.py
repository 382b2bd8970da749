"""One attempt as a LangGraph graph: propose → edit → check → train → score → decide.

Owns the order of the steps and what is recorded of each. Every node first asks whether it is already
done, so a node that runs twice after a kill changes nothing. State holds numbers and commits only.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from agent.check import CheckFailed, check_code
from agent.decision import SCREENING_SEED, NeedSeed, Verdict, alpha_for_entrant, expected_entrants, judge
from agent.events import Observer, Phase, Progress
from agent.history import History
from agent.measure import Cancelled, Measurer, Subject, TrainingFailed, Untrusted
from agent.proposal import Proposal
from agent.record import figures
from agent.researchers.base import Context, NoProposal, Researcher
from agent.search import hill_climb
from agent.settings import RunSettings
from agent.trace import digest, read_trace
from environments.base import EnvironmentSpec, Split
from workspaces.edits import EditError, apply_edits
from workspaces.ledger import Ledger
from workspaces.workspace import Workspace

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.graph.state import CompiledStateGraph

MOST_REPAIRS = 2
REAPPLICATION = "re-application of attempt "


class AttemptState(TypedDict, total=False):
    """Where an attempt stands; ids and small numbers only."""

    number: int
    parent: int
    parent_commit: str
    repairs: int
    code_commit: str
    seed: int
    entrant: int
    alpha: float
    ended: Literal["refused", "crashed", "void"]
    reason: str
    failed: bool
    racing: bool


@dataclass(frozen=True)
class Laboratory:
    """What every attempt of a run works with."""

    directory: Path
    settings: RunSettings
    spec: EnvironmentSpec
    ledger: Ledger
    measurer: Measurer
    history: History
    researcher: Researcher
    observer: Observer
    noise: float
    lock: threading.RLock
    stopping: threading.Event


class Attempt:
    """Runs attempts in one work tree; one of these a worker."""

    def __init__(self, laboratory: Laboratory, workspace: Workspace, entrants: dict[int, int]) -> None:
        self.laboratory = laboratory
        self.workspace = workspace
        self.entrants = entrants
        self._started = time.monotonic()

    def graph(self, saver: BaseCheckpointSaver[Any]) -> CompiledStateGraph[Any, Any, Any, Any]:
        from langgraph.graph import END, START, StateGraph

        graph = StateGraph(AttemptState)
        for name in ("propose", "edit", "check", "train", "score", "decide"):
            graph.add_node(name, getattr(self, f"_{name}"))
        graph.add_edge(START, "propose")
        graph.add_conditional_edges("propose", _after, {"next": "edit", "decide": "decide"})
        graph.add_conditional_edges(
            "edit", _after, {"next": "check", "repair": "propose", "decide": "decide"}
        )
        graph.add_conditional_edges(
            "check", _after, {"next": "train", "repair": "propose", "decide": "decide"}
        )
        graph.add_conditional_edges(
            "train", _after, {"next": "score", "repair": "propose", "decide": "decide"}
        )
        graph.add_conditional_edges("score", _after, {"next": "decide", "decide": "decide"})
        graph.add_conditional_edges("decide", _after_decision, {"train": "train", "end": END})
        return graph.compile(checkpointer=saver)

    def begin(self) -> None:
        """Start the attempt's clock."""
        self._started = time.monotonic()

    def finish(self, number: int) -> None:
        """Delete the policies of an attempt that was not kept, unless they are asked for."""
        record = self.laboratory.ledger.attempt(number)
        if self.laboratory.settings.keep_policies or record is None or record.verdict == "kept":
            return
        for policy in self._folder(number).glob("*/out/policy"):
            shutil.rmtree(policy, ignore_errors=True)

    def _propose(self, state: AttemptState) -> AttemptState:
        laboratory, number = self.laboratory, state["number"]
        repairs = state.get("repairs", 0) + (1 if state.get("failed") else 0)
        parent, commit = state.get("parent"), state.get("parent_commit")
        with laboratory.lock:
            if parent is None or commit is None:
                parent = self._select_parent(number)
                commit = self._commit_of(parent)
        fixed: AttemptState = {"parent": parent, "parent_commit": commit, "repairs": repairs, "failed": False}
        self._tell(number, "propose")
        if not self._proposal_path(number, repairs).exists():
            try:
                proposal, researcher = self._ask(number, parent, commit, repairs)
            except NoProposal as error:
                reason = str(error)
                if repairs:
                    reason = f"{self._failure(number).splitlines()[0]}; not mended: {reason}"
                return {**fixed, "ended": "refused", "reason": reason}
            row = {"researcher": researcher, "proposal": proposal.model_dump(mode="json")}
            _write(self._proposal_path(number, repairs), json.dumps(row, indent=1))
        proposal, _ = self._proposal(number, repairs)
        self._tell(number, "propose", hypothesis=proposal.hypothesis, detail=_prediction(proposal))
        return fixed

    def _ask(self, number: int, parent: int, commit: str, repairs: int) -> tuple[Proposal, str]:
        laboratory = self.laboratory
        original = self._reapplied(number)
        if original is not None:
            if repairs:
                raise NoProposal(self._failure(number))
            proposal, _ = self._proposal(original, self._latest(original))
            return proposal, f"{REAPPLICATION}{original}"
        context = self._context(number, parent, commit)
        folder = self._folder(number)
        if repairs == 0:
            proposal = self._unless_stopped(lambda: laboratory.researcher.propose(context, folder))
            return proposal, laboratory.researcher.name
        earlier, _ = self._proposal(number, repairs - 1)
        failure = self._failure(number)
        repaired = self._unless_stopped(
            lambda: laboratory.researcher.repair(context, earlier, failure, folder)
        )
        return repaired, laboratory.researcher.name

    def _unless_stopped(self, ask: Callable[[], Proposal]) -> Proposal:
        """What a researcher answers; one that still thinks when the run is stopped is left behind."""
        answer: Future[Proposal] = Future()

        def think() -> None:
            try:
                answer.set_result(ask())
            except BaseException as error:  # noqa: BLE001 - raised again in the thread that asked
                answer.set_exception(error)

        threading.Thread(target=think, name="researcher", daemon=True).start()
        while not wait([answer], timeout=0.1).done:
            if self.laboratory.stopping.is_set():
                raise Cancelled("The run is being stopped.")
        return answer.result()

    def _edit(self, state: AttemptState) -> AttemptState:
        laboratory, number, repairs = self.laboratory, state["number"], state["repairs"]
        proposal, researcher = self._proposal(number, repairs)
        self._tell(number, "edit")
        before = laboratory.history.files(state["parent_commit"])
        try:
            after = apply_edits(
                before, proposal.edits, editable=laboratory.spec.editable, protected=laboratory.spec.protected
            )
        except EditError as error:
            return self._fail(number, repairs, str(error), "refused")
        changed = {path: text for path, text in after.items() if before.get(path) != text}
        with laboratory.lock:
            commit = laboratory.ledger.commit_code(
                number,
                state["parent_commit"],
                state["parent"],
                changed,
                hypothesis=proposal.hypothesis,
                mechanism=proposal.mechanism,
                researcher=researcher,
                predicted_score_change=proposal.predicted_score_change,
                predicted_entropy=proposal.predicted_entropy,
                repair=repairs,
            )
            if not researcher.startswith(REAPPLICATION):
                fingerprint = laboratory.history.fingerprint(commit)
                twin = laboratory.history.twin(fingerprint, number)
                if fingerprint == laboratory.history.fingerprint(laboratory.ledger.tags()["baseline"]):
                    return self._fail(number, repairs, "this code equals the baseline's", "refused")
                if twin is not None:
                    told = f"this code equals attempt {twin.number}'s ({twin.verdict or 'in flight'})"
                    return self._fail(number, repairs, told, "refused")
        return {"code_commit": commit, "seed": SCREENING_SEED}

    def _check(self, state: AttemptState) -> AttemptState:
        self._tell(state["number"], "check")
        try:
            check_code(self.laboratory.ledger.files(state["code_commit"]))
        except CheckFailed as error:
            return self._fail(state["number"], state["repairs"], str(error), "refused")
        return {}

    def _train(self, state: AttemptState) -> AttemptState:
        number, seed = state["number"], state["seed"]
        self._tell(number, "train", detail=f"seed {seed}")
        try:
            self.laboratory.measurer.train(self._subject(state), seed, Split.SELECTION)
        except TrainingFailed as error:
            if error.early and seed == SCREENING_SEED:
                return self._fail(number, state["repairs"], str(error), "crashed")
            return {"ended": "crashed", "reason": error.headline}
        except Untrusted as error:
            return {"ended": "void", "reason": str(error)}
        return {}

    def _score(self, state: AttemptState) -> AttemptState:
        number, seed = state["number"], state["seed"]
        self._tell(number, "score", detail=f"seed {seed}")
        try:
            measured = self.laboratory.measurer.score(self._subject(state), seed, Split.SELECTION)
        except TrainingFailed as error:
            return {"ended": "crashed", "reason": error.headline}
        except Untrusted as error:
            return {"ended": "void", "reason": str(error)}
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

    def _decide(self, state: AttemptState) -> AttemptState:
        laboratory, number = self.laboratory, state["number"]
        with laboratory.lock:
            record = laboratory.ledger.attempt(number)
            if record is not None and record.verdict is not None:
                if record.verdict == "kept":
                    self._promote(state, record.result_commit)
                return {"racing": False}
            if "ended" in state:
                self._record_refusal(state)
                self._conclude(state, state["ended"], state["reason"], None)
                return {"racing": False}
            ruling = self._judge(state)
            if isinstance(ruling, NeedSeed):
                return self._race_on(state, ruling)
            self._record_verdict(state, ruling)
        return {"racing": False}

    def _judge(self, state: AttemptState) -> Verdict | NeedSeed:
        laboratory = self.laboratory
        seeds = range(laboratory.settings.seeds + 1)
        measured = laboratory.history.measurements(state["code_commit"], Split.SELECTION, seeds)
        if len({m.policy_hash for m in measured.values()}) < len(measured):
            reason = "two seeds gave the same policy: the edit fixes the seed"
            return Verdict("void", None, None, None, state.get("alpha", 0.0), len(measured) - 1, (), reason)
        return judge(
            laboratory.history.arm(state["code_commit"], Split.SELECTION, seeds),
            laboratory.history.arm(state["parent_commit"], Split.SELECTION, seeds),
            laboratory.history.arm(laboratory.ledger.tags()["baseline"], Split.SELECTION, seeds),
            laboratory.settings,
            seeds=laboratory.settings.seeds,
            alpha=state.get("alpha", 0.0),
            noise=laboratory.noise,
        )

    def _race_on(self, state: AttemptState, need: NeedSeed) -> AttemptState:
        self._tell(state["number"], "decide", detail=need.reason)
        onward: AttemptState = {"seed": need.seed_index, "racing": True}
        if "entrant" not in state:
            entrant = self.entrants.get(state["number"], len(self.entrants))
            self.entrants[state["number"]] = entrant
            onward["entrant"] = entrant
            onward["alpha"] = self._alpha(entrant)
        return onward

    def _alpha(self, entrant: int) -> float:
        """What the entrant of that place may spend; one whose verdict is open passes nothing on."""
        verdicts = {record.number: record.verdict or "open" for record in self.laboratory.ledger.attempts()}
        places = {place: number for number, place in self.entrants.items()}
        outcomes = [verdicts.get(places[place], "open") for place in range(entrant)]
        settings = self.laboratory.settings
        return alpha_for_entrant(settings.alpha, outcomes, expected_entrants(settings.attempts))

    def _record_verdict(self, state: AttemptState, verdict: Verdict) -> None:
        laboratory = self.laboratory
        outcome, reason = verdict.outcome, verdict.reason
        reapply = False
        if outcome == "kept" and laboratory.ledger.incumbent() != state["parent_commit"]:
            outcome, reapply = "inconclusive", True
            reason = (
                f"beats attempt {state['parent']}, which is no longer the incumbent: raced anew ({reason})"
            )
        commit = self._conclude(state, outcome, reason, verdict, reapply=reapply)
        if outcome == "kept":
            self._promote(state, commit)

    def _promote(self, state: AttemptState, commit: str | None) -> None:
        ledger = self.laboratory.ledger
        if commit is not None and ledger.incumbent() == state["parent_commit"]:
            ledger.set_incumbent(commit)

    def _record_refusal(self, state: AttemptState) -> None:
        """A refused attempt stays reviewable: it has a code commit, be it of its parent's tree."""
        laboratory, number = self.laboratory, state["number"]
        if laboratory.ledger.attempt(number) is not None:
            return
        latest = self._latest(number)
        proposal, researcher = self._proposal(number, latest) if latest >= 0 else (None, None)
        laboratory.ledger.commit_code(
            number,
            state["parent_commit"],
            state["parent"],
            {},
            hypothesis=proposal.hypothesis if proposal else "no usable proposal",
            mechanism=proposal.mechanism if proposal else state["reason"],
            researcher=researcher or laboratory.researcher.name,
            predicted_score_change=proposal.predicted_score_change if proposal else 0.0,
            predicted_entropy=proposal.predicted_entropy if proposal else 0.0,
        )

    def _conclude(
        self,
        state: AttemptState,
        outcome: str,
        reason: str,
        verdict: Verdict | None,
        *,
        reapply: bool = False,
    ) -> str:
        laboratory, number = self.laboratory, state["number"]
        measured = {}
        if "code_commit" in state and outcome != "refused":
            seeds = range(laboratory.settings.seeds + 1)
            measured = laboratory.history.measurements(state["code_commit"], Split.SELECTION, seeds)
        trailers = figures(laboratory.settings, verdict, measured, compared_with=state["parent"])
        if "entrant" in state:
            trailers["Entrant"] = str(state["entrant"])
        if reapply:
            trailers["Reapply"] = "yes"
        commit = laboratory.ledger.commit_result(number, verdict=outcome, reason=reason, trailers=trailers)
        self._tell(
            number,
            "done",
            detail=reason,
            verdict=outcome,
            change=verdict.change if verdict else None,
        )
        return commit

    def _select_parent(self, number: int) -> int:
        original = self._reapplied(number)
        if original is not None:
            return self.laboratory.history.incumbent_number()
        records = self.laboratory.ledger.attempts()
        return hill_climb.select([self.laboratory.history.entry(r) for r in records if r.number < number])

    def _commit_of(self, number: int) -> str:
        ledger = self.laboratory.ledger
        if number == 0:
            return ledger.tags()["baseline"]
        record = ledger.attempt(number)
        if record is None or record.result_commit is None:
            raise RuntimeError(f"attempt {number} was chosen as a parent before it was decided")
        return record.result_commit

    def _reapplied(self, number: int) -> int | None:
        """The attempt that this one re-applies, as noted when its number was given out."""
        try:
            return int((self._folder(number) / "reapplies").read_text())
        except FileNotFoundError:
            return None

    def _context(self, number: int, parent: int, commit: str) -> Context:
        laboratory, settings = self.laboratory, self.laboratory.settings
        history, seeds = laboratory.history, range(settings.seeds + 1)
        records = [record for record in laboratory.ledger.attempts() if record.number < number]
        entries = tuple(history.entry(record) for record in records)
        baseline = history.baseline_entry(settings.metric, seeds)
        incumbent = next((entry for entry in entries if entry.number == parent), baseline)
        folder = self._folder(parent) / f"{Split.SELECTION}-{SCREENING_SEED}"
        return Context(
            goal=settings.goal,
            spec=laboratory.spec,
            attempt=number,
            attempts=settings.attempts,
            seed=laboratory.measurer.derived(f"propose:{settings.seed}:{number}"),
            parent=parent,
            files=history.files(commit),
            protected_files=laboratory.ledger.files(commit, laboratory.spec.protected),
            baseline=baseline,
            incumbent=incumbent,
            history=entries,
            noise=laboratory.noise,
            diagnostics=digest(read_trace(folder / "out" / "trace.jsonl")),
        )

    def _subject(self, state: AttemptState) -> Subject:
        return Subject(state["code_commit"], self._folder(state["number"]), self.workspace)

    def _folder(self, number: int) -> Path:
        folder = self.laboratory.directory / "attempts" / f"{number:04d}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _proposal_path(self, number: int, repairs: int) -> Path:
        return self._folder(number) / f"proposal-{repairs}.json"

    def _proposal(self, number: int, repairs: int) -> tuple[Proposal, str]:
        row = json.loads(self._proposal_path(number, repairs).read_text())
        return Proposal.model_validate(row["proposal"]), row["researcher"]

    def _latest(self, number: int) -> int:
        """How often the attempt's proposal was repaired; -1 where there is none."""
        return max(
            (r for r in range(MOST_REPAIRS + 1) if self._proposal_path(number, r).exists()), default=-1
        )

    def _failure(self, number: int) -> str:
        return (self._folder(number) / "failure.txt").read_text()

    def _fail(
        self, number: int, repairs: int, failure: str, ended: Literal["refused", "crashed"]
    ) -> AttemptState:
        """Back to the researcher with the failure, at most twice."""
        self._tell(number, "check", detail=failure.splitlines()[0][:200])
        _write(self._folder(number) / "failure.txt", failure)
        if repairs < MOST_REPAIRS:
            return {"failed": True}
        return {"ended": ended, "reason": failure.splitlines()[0][:400]}

    def _tell(self, number: int, phase: Phase, **known: Any) -> None:
        seconds = time.monotonic() - self._started
        self.laboratory.observer(Progress(attempt=number, phase=phase, seconds=seconds, **known))


def _after(state: AttemptState) -> str:
    if "ended" in state:
        return "decide"
    return "repair" if state.get("failed") else "next"


def _after_decision(state: AttemptState) -> str:
    return "train" if state["racing"] else "end"


def _prediction(proposal: Proposal) -> str:
    return (
        f"predicts {proposal.predicted_score_change:+.4f} and final entropy "
        f"{proposal.predicted_entropy:.3f} nats a token"
    )


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text)
    os.replace(temporary, path)
