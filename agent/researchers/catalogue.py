"""The offline researcher: proposes from a catalogue of entropy controls by what the run has measured.

Owns the choice. It keeps no state: history is read anew for every proposal, and equal contexts give equal
proposals. What it can express is said in `configuration` and `control_table`, what it expects in `surrogate`,
its words in `wording`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agent.proposal import Proposal
from agent.researchers.base import Context, NoProposal
from agent.researchers.configuration import Configuration, edits, neighbours, read
from agent.researchers.control_table import CONTROLS, table_of
from agent.researchers.surrogate import Observation, Surrogate
from agent.researchers.tried import attempts_tried
from agent.researchers.wording import Known, hypothesis, mechanism

_UNKNOWN_NOISE = 0.004
_CENTRES = 2


@dataclass(frozen=True)
class CatalogueResearcher:
    """Draws a plausible world from its surrogate and proposes what would be best in it (Thompson 1933)."""

    name: str = "catalogue"

    def propose(self, context: Context, directory: Path) -> Proposal:
        """Propose the untried configuration that one draw of the surrogate likes best.

        Raises:
            NoProposal: the baseline cannot be read as a configuration, or all of the catalogue that lies
                near the best configurations was tried.
        """
        table = table_of(context.baseline.files)
        baseline = read(context.baseline.files, table)
        if baseline is None:
            raise NoProposal(
                "the catalogue cannot read the baseline's recipe.py and entropy_control.py; use --model"
            )
        noise = context.noise or _UNKNOWN_NOISE * _width(context.spec.range)
        seen = attempts_tried(context, noise, table)
        surrogate = Surrogate(
            baseline,
            [Observation(one.configuration, one.gain, one.error, one.entry.entropy) for one in seen],
            noise,
            context.baseline.entropy,
            table,
        )
        parent = read(context.files, table) or baseline
        known = Known(context, table, baseline, parent, seen, surrogate)
        pool = _pool(known)
        if not pool:
            raise NoProposal("everything in the catalogue near the best configurations was tried")
        drawn = surrogate.draw(pool, np.random.default_rng(context.seed), _boldness(context))
        return _proposal(known, pool[int(np.argmax(drawn))])

    def repair(self, context: Context, proposal: Proposal, failure: str, directory: Path) -> Proposal:
        """Refuse: the catalogue knows one way to write a configuration.

        Raises:
            NoProposal: always.
        """
        raise NoProposal(f"the catalogue cannot repair its proposal: {failure}")


def _width(bounds: tuple[float, float]) -> float:
    width = bounds[1] - bounds[0]
    return width if math.isfinite(width) and width > 0 else 1.0


def _boldness(context: Context) -> float:
    """How far from the expected world to draw: less and less, as the attempts run out."""
    left = (context.attempts - context.attempt) / max(context.attempts, 1)
    return 0.2 + 0.3 * min(max(left, 0.0), 1.0)


def _pool(known: Known) -> list[Configuration]:
    """Untried neighbours of the parent and of the best-looking attempts, in a fixed order.

    What a user laid beside the shipped controls is tried before anything else. What is in flight with the
    same kinds of control will teach the same, so it is waited for.
    """
    tried, surrogate, parent = known.tried, known.surrogate, known.parent
    expected = {one.entry.number: surrogate.change(one.configuration)[0] for one in tried}
    measured = [one for one in tried if one.gain is not None]
    reached = surrogate.change(parent)[0]
    better = [one for one in measured if expected[one.entry.number] > reached]
    ranked = sorted(better, key=lambda one: (-expected[one.entry.number], one.entry.number))
    promising = {
        name for one in measured if expected[one.entry.number] > 0 for name, _ in one.configuration.controls
    }
    values: dict[str, set[float]] = {}
    for one in tried:
        for name, value in one.configuration.controls:
            values.setdefault(name, set()).add(value)
    seen = {one.configuration for one in tried} | {known.baseline}
    pool: dict[Configuration, None] = {}
    for centre in [parent, *(one.configuration for one in ranked[:_CENTRES])]:
        pool.update(dict.fromkeys(neighbours(centre, known.baseline, values, promising, known.table)))
    untried = [configuration for configuration in pool if configuration not in seen]
    new = known.table.keys() - CONTROLS.keys() - values.keys()
    untried = [configuration for configuration in untried if new & set(_kinds(configuration))] or untried
    flying = {_kinds(one.configuration) for one in tried if one.entry.verdict is None}
    return [configuration for configuration in untried if _kinds(configuration) not in flying] or untried


def _kinds(configuration: Configuration) -> tuple[str, ...]:
    return tuple(name for name, _ in configuration.controls)


def _proposal(known: Known, target: Configuration) -> Proposal:
    context = known.context
    gain, _ = known.surrogate.change(target)
    incumbent = read(context.incumbent.files, known.table) or known.baseline
    reached, _ = known.surrogate.change(incumbent)
    change, entropy = context.spec.better(gain - reached), known.surrogate.entropy(target)
    return Proposal(
        hypothesis=hypothesis(known, target),
        mechanism=mechanism(known, target, change, entropy),
        predicted_score_change=round(min(max(change, -10.0), 10.0), 6),
        predicted_entropy=round(min(entropy, 20.0), 4),
        edits=edits(context.files, target, context.baseline.files, known.table),
    )
