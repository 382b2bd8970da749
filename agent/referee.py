"""Turns the measurements of an attempt into its verdict, and the verdict into its result commit.

Owns who has entered the race, what alpha each entrant may spend, and the promotion of a winner; the
rule itself is in `decision`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from agent.arms import Arm
from agent.attempt_folder import CONVERSATION_FILE
from agent.decision import NeedSeed, Verdict, alpha_for_entrant, expected_entrants, judge
from agent.diagnosing import diagnosis_of, keep_diagnosis
from agent.drift import moved
from agent.foresight import Foresight
from agent.laboratory import Laboratory
from agent.record import figures
from agent.same_seed import seeds_alike
from agent.seeds import BRANCHED, SCREENING_SEED, SeedPlan, block_after, every_seed, seed_plan
from environments.base import Split
from workspaces.measurements import Measurement
from workspaces.remarks import evidence_of_remarks


class Referee:
    """Judges the attempts of one run. Every method is called under the laboratory's lock.

    `entrants` maps attempt number to place in the race; places are given out in the order of entry.
    """

    def __init__(self, laboratory: Laboratory, entrants: Mapping[int, int]) -> None:
        self.laboratory = laboratory
        self.entrants = dict(entrants)
        self.foresight = Foresight(laboratory)

    def judge(
        self,
        code: str,
        comparator: str,
        alpha: float | None,
        plan: SeedPlan,
        last: int = SCREENING_SEED,
    ) -> Verdict | NeedSeed:
        """The verdict on a code commit by its seeds up to `last`, or the next seed that it needs.

        `alpha` is None for an attempt that has not entered: then nothing but its screening seed is looked
        at. More may be stored of the same code, and is not looked at before its turn.
        """
        laboratory, settings = self.laboratory, self.laboratory.settings
        measured = self._measured(code, plan.until(last))
        fixed = None if settings.deterministic else seeds_alike(measured, settings.metric)
        if fixed is not None:
            return Verdict("void", None, None, None, alpha or 0.0, len(measured) - 1, (), fixed)
        ruling = judge(
            Arm({seed: m.score for seed, m in measured.items()}),
            self._arm(comparator, (*plan.screening, *plan.until(last))),
            self._arm(laboratory.baseline, ()),
            settings,
            plan=plan,
            alpha=alpha or 0.0,
            noise=laboratory.noise,
        )
        if settings.self_reported and isinstance(ruling, Verdict):
            return replace(ruling, reason=f"{ruling.reason} (self-reported metric)")
        return ruling

    def plan(self, number: int, *, branched: bool = False) -> SeedPlan:
        """The seeds of an attempt's race, by what became of the races of earlier rounds.

        `branched`: it was built on another attempt than the one it has to beat. That one was chosen by its
        score, so the race is on seeds that had no part in it.
        """
        earlier = self.laboratory.history.race_outcomes(self.laboratory.horizon(number))
        if branched:
            earlier.append(BRANCHED)
        return seed_plan(self.laboratory.settings.seeds, block_after(earlier))

    def enter(self, number: int) -> tuple[int, float]:
        """Place of an attempt in the race and what alpha it may spend.

        An entrant before it whose verdict is open, or falls in the same round, passes nothing on.
        """
        place = self.entrants.setdefault(number, max(self.entrants.values(), default=-1) + 1)
        verdicts = {record.number: record.verdict for record in self.laboratory.ledger.attempts()}
        numbers = {other: entrant for entrant, other in self.entrants.items()}
        seen = self.laboratory.horizon(number)
        earlier = [numbers.get(other, 0) for other in range(place)]
        outcomes = [(verdicts.get(other) if other <= seen else None) or "open" for other in earlier]
        settings = self.laboratory.settings
        return place, alpha_for_entrant(settings.alpha, outcomes, expected_entrants(settings.attempts))

    def rule(
        self, number: int, against: int, comparator: str, code: str, verdict: Verdict, looked: Sequence[int]
    ) -> str:
        """Record a verdict on the seeds looked at; a winner is promoted, a late one is to be raced anew."""
        outcome, reason, late = verdict.outcome, verdict.reason, False
        if outcome == "kept" and self.laboratory.ledger.incumbent() != comparator:
            outcome, late = "inconclusive", True
            reason = (
                f"beats attempt {against}, which is no longer the incumbent; while attempts are left it is "
                f"raced anew on the newer one ({reason})"
            )
        self._conclude(number, against, outcome, reason, code, verdict, looked, late=late)
        self.settle(number, comparator)
        return outcome

    def close(self, number: int, against: int, outcome: str, reason: str, code: str | None) -> None:
        """Record an attempt that ended without a verdict on its score."""
        self._conclude(number, against, outcome, reason, code, None)
        self.settle(number, self.laboratory.ledger.incumbent())

    def settle(self, number: int, comparator: str) -> None:
        """What follows from a result commit, done as often as asked: a winner is promoted, evidence kept."""
        ledger = self.laboratory.ledger
        record = ledger.attempt(number)
        if record is None or record.result_commit is None:
            return
        if record.verdict == "kept" and ledger.incumbent() == comparator:
            ledger.set_incumbent(record.result_commit)
        measured = self._measured(record.code_commit) if record.code_commit else {}
        self._keep_evidence(number, record.code_commit, measured)

    def _conclude(
        self,
        number: int,
        against: int,
        outcome: str,
        reason: str,
        code: str | None,
        verdict: Verdict | None,
        looked: Sequence[int] | None = None,
        *,
        late: bool = False,
    ) -> None:
        laboratory = self.laboratory
        measured = self._measured(code, looked) if code is not None else {}
        trailers = dict(self.foresight.trailers(number, code, against)) if code is not None else {}
        trailers |= figures(laboratory.settings, verdict, measured, compared_with=against)
        folder = laboratory.folder(number).path
        diagnosis = diagnosis_of(laboratory.history, folder, code) if code is not None else None
        if diagnosis is not None:
            trailers |= diagnosis.trailers()
        far = moved(
            Arm({seed: m.score for seed, m in measured.items()}),
            self._arm(laboratory.baseline, ()),
            laboratory.settings,
            [seed for seed in measured if seed != SCREENING_SEED] or list(measured),
        )
        if far:
            trailers["Diagnostics-Moved"] = "; ".join(far)
        if number in self.entrants:
            trailers["Entrant"] = str(self.entrants[number])
        if late:
            trailers["Reapply"] = "yes"
        stretch = laboratory.settings.stretch_of(number)
        if stretch > 1:
            trailers["Stretch"] = str(stretch)
        laboratory.ledger.commit_result(number, verdict=outcome, reason=reason, trailers=trailers)

    def _arm(self, commit: str, asked: Sequence[int]) -> Arm:
        """A comparator on the seeds of its own verdict and on those that the race has asked for.

        More may be stored of it, trained ahead: how much hangs on timing, so nothing of it is looked at.
        """
        history = self.laboratory.history
        own: Sequence[int] = every_seed(self.laboratory.settings.seeds)
        if commit != self.laboratory.baseline:
            own = history.verdict_seeds(commit)
        elif set(asked) <= set(own):
            return self._baseline
        return history.arm(commit, Split.SELECTION, sorted({*own, *asked}))

    @cached_property
    def _baseline(self) -> Arm:
        """The baseline on the seeds that a run begins with; those do not change, so they are read once."""
        seeds = every_seed(self.laboratory.settings.seeds)
        return self.laboratory.history.arm(self.laboratory.baseline, Split.SELECTION, seeds)

    def _measured(self, code: str, looked: Sequence[int] | None = None) -> dict[int, Measurement]:
        """What is stored of a code, on the seeds that were looked at or on all."""
        seeds = self.laboratory.seeds if looked is None else looked
        return self.laboratory.history.measurements(code, Split.SELECTION, seeds)

    def _keep_evidence(self, number: int, code: str | None, measured: Mapping[int, Measurement]) -> None:
        store = self.laboratory.measurer.store.directory
        snapshots = self.foresight.measurements(code) if code is not None else []
        names = [f"{measurement.key.digest}.json" for measurement in (*measured.values(), *snapshots)]
        evidence = {f"measurements/{name}": (store / name).read_bytes() for name in names}
        folder = self.laboratory.folder(number).path
        evidence |= keep_diagnosis(self.laboratory.history, folder, code)
        conversation = folder / CONVERSATION_FILE
        if conversation.exists():
            evidence[f"attempts/{number:04d}/{CONVERSATION_FILE}"] = conversation.read_bytes()
        evidence |= evidence_of_remarks(self.laboratory.directory)
        if evidence:
            self.laboratory.ledger.store_evidence(evidence)
