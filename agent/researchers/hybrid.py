"""Knobs to an optimiser, mechanisms to a language model, which may overrule a bounded share of the trials.

Owns whose trial it is, and what the model is shown of the optimiser. Optuna's TPE proposes every trial; while
its share allows, the model sees that proposal and what TPE goes by, and either lets it pass or puts a change
of its own in its place. How often it has is read from the history: an overruled trial says so in its
hypothesis. That a numeric optimiser and a model do better together than alone is published for
hyper-parameters (Mahammadli & Ertekin 2024, arXiv 2410.20302); whether it holds on a domain is what `szilard
compare-researchers` is for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from agent.proposal import Proposal
from agent.researchers.base import Context, HistoryEntry, NoProposal, Researcher
from agent.researchers.blind import TpeResearcher, space_of
from agent.researchers.configuration import scientific
from agent.researchers.control_table import Table
from agent.researchers.tried import Tried, attempts_tried
from workspaces.edits import EditError, apply_edits
from workspaces.normalised_code import normalised_code
from workspaces.plain_text import fenced

OVERRULES = "Overrules TPE: "
SHARE = 0.3
_BEST = 3
_HYPOTHESIS = 200


@dataclass(frozen=True)
class HybridResearcher:
    """TPE's trials, of which `model` may overrule `share`. Keeps no state of its own."""

    model: Researcher
    optimiser: Researcher = field(default_factory=TpeResearcher)
    share: float = SHARE
    name: str = "hybrid"

    def propose(self, context: Context, directory: Path) -> Proposal:
        """TPE's trial, or what the model puts in its place. What the model says and cannot be used is
        dropped.

        Raises:
            NoProposal: TPE has none.
            ResearcherError: the model cannot be asked.
        """
        trial = self.optimiser.propose(context, directory)
        if not may_overrule(context, self.share):
            return trial
        try:
            said = self.model.propose(self._shown(context, trial), directory)
        except NoProposal:
            return trial
        return trial if _code(said, context) == _code(trial, context) else _marked(said)

    def repair(self, context: Context, proposal: Proposal, failure: str, directory: Path) -> Proposal:
        """Let the model mend what was its own.

        Raises:
            NoProposal: it was TPE's, or the model may not repair again.
        """
        if not proposal.hypothesis.startswith(OVERRULES):
            return self.optimiser.repair(context, proposal, failure, directory)
        said = proposal.model_copy(update={"hypothesis": proposal.hypothesis.removeprefix(OVERRULES)})
        shown = self._shown(context, self.optimiser.propose(context, directory))
        return _marked(self.model.repair(shown, said, failure, directory))

    def _shown(self, context: Context, trial: Proposal) -> Context:
        """The same context, and what TPE goes by."""
        table, _ = space_of(context)
        seen = [one for one in attempts_tried(context, context.noise or 0.0, table) if one.gain is not None]
        edits = json.dumps([edit.model_dump(mode="json") for edit in trial.edits], indent=1)
        lines = [
            f"TPE chooses among the catalogue's controls, rates and lengths; it knows {len(seen)} trials.",
            "Its best, by the gain over the baseline:",
            *(f"- {_told(one, table, context)}" for one in _best(seen)),
            f"Its next trial: {trial.hypothesis}. The edits:",
            fenced(edits, "json", limit=None),
            f"You have overruled {overruled(context.history)} of {context.attempt - 1} trials, and may "
            f"overrule {self.share:.0%}. Overrule this one for a mechanism that its settings cannot express, "
            "or where the history shows that it wastes a trial. To let it pass, answer with exactly these "
            "edits.",
        ]
        return replace(context, optimiser="\n".join(lines))


def overruled(history: Sequence[HistoryEntry]) -> int:
    """How many trials the model has put a change of its own in the place of TPE's."""
    return sum(entry.hypothesis.startswith(OVERRULES) for entry in history)


def may_overrule(context: Context, share: float) -> bool:
    """Whether one more would leave its share of the attempts up to this one within bounds.

    What is proposed at the same time counts as overruled, since it may be.
    """
    return overruled(context.history) + context.unseen + 1 <= share * context.attempt + 1e-9


def _marked(said: Proposal) -> Proposal:
    return said.model_copy(update={"hypothesis": f"{OVERRULES}{said.hypothesis}"[:_HYPOTHESIS]})


def _code(proposal: Proposal, context: Context) -> str | None:
    """The code that a proposal makes of the parent's, normalised; None where its edits do not fit."""
    spec = context.spec
    try:
        files: Mapping[str, str] = apply_edits(
            context.files, proposal.edits, editable=spec.editable, protected=spec.protected
        )
    except EditError:
        return None
    return normalised_code(files)


def _best(seen: Sequence[Tried]) -> list[Tried]:
    return sorted(seen, key=lambda one: (-(one.gain or 0.0), one.entry.number))[:_BEST]


def _told(one: Tried, table: Table, context: Context) -> str:
    chosen, number = one.configuration, one.entry.number
    gain = context.spec.better(one.gain or 0.0)
    return (
        f"{f'attempt {number}' if number else 'the baseline'}, {chosen.described(table)} at "
        f"{scientific(chosen.learning_rate)} for {chosen.steps} steps: {gain:+.3g} ± {one.error:.2g} "
        f"({one.entry.verdict})"
    )
