"""What a researcher is: shown a context, it answers with a proposal.

Owns the contract and its records; each researcher beside this file owns one way of proposing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from agent.proposal import Proposal
from environments.base import EnvironmentSpec, SzilardError
from workspaces.remarks import Remark


class ResearcherError(SzilardError):
    """The researcher cannot propose at all: the run stops with this sentence and can be resumed."""


class NoProposal(SzilardError):
    """No usable proposal came after all repairs: the attempt is refused and the run goes on."""


class NotAsked(NoProposal):
    """The run has too little left to ask: the attempt is refused, and no other is begun."""


@dataclass(frozen=True)
class HistoryEntry:
    """One attempt as a researcher may see it; attempt 0 is the baseline.

    `verdict` is None while the attempt is in flight. `score`, `score_change` and `standard_error` (of
    the change) are in units of the metric on the selection split, entropies in nats a token; None is a
    figure that could not be had. `seeds` is how many seeds `score` is the mean of. `files` are the
    attempt's editable files, path -> text; `diagnosis` is one sentence on where its entropy went. Of one
    that was stopped early `forecast` is all that is known: the change against its comparator that its
    snapshots foretold, positive is better, and the error of that. `compared_with` is the attempt that
    `score_change` is against, where that is not the parent.
    """

    number: int
    parent: int | None
    researcher: str
    hypothesis: str
    mechanism: str
    predicted_score_change: float | None
    predicted_entropy: float | None
    verdict: str | None = None
    reason: str | None = None
    score: float | None = None
    score_change: float | None = None
    standard_error: float | None = None
    entropy: float | None = None
    seeds: int = 0
    files: Mapping[str, str] = field(default_factory=dict)
    diagnosis: str | None = None
    forecast: tuple[float, float] | None = None
    compared_with: int | None = None

    @property
    def against(self) -> int | None:
        """The attempt that it has to beat."""
        return self.parent if self.compared_with is None else self.compared_with

    @property
    def broke_guard(self) -> bool:
        """Whether a guard turned it down, whatever its score."""
        return self.verdict != "kept" and "guard" in (self.reason or "")


@dataclass(frozen=True)
class Context:
    """Everything that a researcher is shown for one proposal. It holds nothing of the confirmation split.

    `attempt` is the number of this attempt out of `attempts`; `seed` is this proposal's own, derived
    from the run's. `files` are the parent's editable files, `protected_files` are for reading only.
    `noise` is the seed standard deviation of the baseline's score, None while unknown; `detectable` is the
    smallest gain that the run's seeds find four times in five; `score_interval` is the 95% interval of the
    incumbent's score over its seeds. `diagnostics` tells in plain text how the incumbent's training spent its
    entropy. `budget_left` says what is left of every bound but the attempts, `last_failure` what the latest
    attempt that failed left behind. `remarks` are what a person has said to the run before this attempt was
    proposed. `stalled` counts the attempts since one was last kept, once they are a plateau: then a
    structural change is asked for, else it is 0. `optimiser` tells what a numeric optimiser beside the
    researcher believes and would try next; empty where there is none.
    """

    goal: str
    spec: EnvironmentSpec
    attempt: int
    attempts: int
    seed: int
    parent: int
    files: Mapping[str, str]
    protected_files: Mapping[str, str]
    baseline: HistoryEntry
    incumbent: HistoryEntry
    history: tuple[HistoryEntry, ...]
    noise: float | None
    diagnostics: str
    stalled: int = 0
    optimiser: str = ""
    detectable: float | None = None
    score_interval: tuple[float, float] | None = None
    budget_left: tuple[str, ...] = ()
    last_failure: str | None = None
    remarks: tuple[Remark, ...] = ()

    @property
    def unseen(self) -> int:
        """How many earlier attempts are being proposed at this moment, so that nothing is known of them."""
        return max(0, self.attempt - 1 - len(self.history))


class Researcher(Protocol):
    """Proposes changes. Keeps no state of its own: context and `directory` are all that it knows.

    `directory` is the attempt's folder. A method that is called again with equal arguments, also in
    another process, answers the same; what was paid for is stored there before it is used.
    """

    @property
    def name(self) -> str: ...

    def propose(self, context: Context, directory: Path) -> Proposal:
        """Propose one change to the parent's code.

        Raises:
            ResearcherError: no proposal can be had from this researcher at all.
            NoProposal: what it said cannot be used.
        """

    def repair(self, context: Context, proposal: Proposal, failure: str, directory: Path) -> Proposal:
        """Mend a proposal that could not be applied or trained; `failure` says why.

        Raises:
            ResearcherError: no proposal can be had from this researcher at all.
            NoProposal: what it said cannot be used, or it may not repair again.
        """
