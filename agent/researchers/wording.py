"""What the catalogue says of its proposals: hypothesis, mechanism, evidence, and how it fared so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.researchers.base import Context
from agent.researchers.configuration import Configuration, scientific
from agent.researchers.control_table import Table
from agent.researchers.surrogate import Surrogate
from agent.researchers.tried import Tried

_SHOWN = 2


@dataclass(frozen=True)
class Known:
    """What the catalogue goes by for one proposal."""

    context: Context
    table: Table
    baseline: Configuration
    parent: Configuration
    tried: Sequence[Tried]
    surrogate: Surrogate


def hypothesis(known: Known, target: Configuration) -> str:
    """One line from what moves between parent and target and from what the run has learned of it."""
    table, surrogate, parent = known.table, known.surrogate, known.parent
    before, after = dict(parent.controls), dict(target.controls)
    added = [table[name].described(value) for name, value in after.items() if name not in before]
    removed = [table[name].described(value) for name, value in before.items() if name not in after]
    moved = [
        f"{table[name].described(before[name])} to {value:g}"
        for name, value in after.items()
        if name in before and before[name] != value
    ]
    pace = _pace(known.baseline, parent, target)
    restrained = surrogate.entropy(target) >= surrogate.entropy(parent)
    if added:
        act = (
            f"replacing {' + '.join(removed)} by {' + '.join(added)}"
            if removed
            else f"adding {' + '.join(added)}"
        )
        if target.learning_rate > parent.learning_rate:
            effect = f"lets the policy train {pace}{' and keep entropy' if restrained else ''}"
        else:
            effect = f"keeps entropy for longer{', trained ' + pace if pace else ''}"
    elif moved or removed:
        act = f"moving {' and '.join(moved)}" if moved else f"dropping {' + '.join(removed)}"
        verb = "holds" if restrained else "frees"
        effect = f"{verb} entropy to better effect{', trained ' + pace if pace else ''}"
    else:
        act, effect = f"training {parent.described(table)} {pace}", "spends entropy at a better price"
    sentence = f"{act[0].upper()}{act[1:]} {effect}"
    evidence = _best_relative(known.tried, target)
    hint = f", as attempt {evidence.entry.number} hints" if evidence is not None else ""
    together = target.described(table)
    short = f"{together[0].upper()}{together[1:]} pay together {pace}".rstrip()
    return next((line for line in (sentence + hint, sentence, short) if len(line) < 120), short[:119])


def _pace(baseline: Configuration, parent: Configuration, target: Configuration) -> str:
    parts = []
    if target.learning_rate != parent.learning_rate:
        ratio = target.learning_rate / baseline.learning_rate
        parts.append(f"at {scientific(target.learning_rate)} (x{ratio:.2g})")
    if target.steps != parent.steps:
        parts.append(f"for {target.steps} steps")
    return " ".join(parts)


def _best_relative(tried: Sequence[Tried], target: Configuration) -> Tried | None:
    """The best attempt with a gain that shares a control with the target."""
    names = {name for name, _ in target.controls}
    relatives = [
        one
        for one in tried
        if one.gain is not None and one.gain > 0 and names & {name for name, _ in one.configuration.controls}
    ]
    return max(relatives, key=lambda one: one.gain or 0.0, default=None)


def mechanism(known: Known, target: Configuration, change: float, entropy: float) -> str:
    """Why it should help, what is expected, and what the run has seen of it."""
    context, table = known.context, known.table
    effects = [f"{table[name].described(value)}: {table[name].effect}." for name, value in target.controls]
    if target.learning_rate > known.baseline.learning_rate and target.controls:
        effects.append(
            "A control slows the spending of entropy: a learning rate pays that alone would spend it all."
        )
    elif not target.controls:
        effects.append("Learning rate and length alone move along the frontier that the baseline lies on.")
    gain, deviation = known.surrogate.change(target)
    effects.append(
        f"Expected against the baseline: {context.spec.better(gain):+.3g} (sd {deviation:.2g});"
        f" against the parent: {change:+.3g}; final entropy {entropy:.3g} nats a token."
    )
    if context.spec.better(change) <= 0:
        effects.append("No gain is expected; the draw chose it for what its uncertainty leaves possible.")
    return "\n".join([*effects, _evidence(known, target), _record(context)])


def _evidence(known: Known, target: Configuration) -> str:
    context, table = known.context, known.table
    lines = []
    for name, _ in target.controls:
        related = [
            one for one in known.tried if one.gain is not None and name in dict(one.configuration.controls)
        ]
        surest = sorted(related, key=lambda one: (one.error, -one.entry.number))[:_SHOWN]
        seen = [
            f"{one.entry.number} ({one.configuration.described(table)} at"
            f" {scientific(one.configuration.learning_rate)}:"
            f" {context.spec.better(one.gain or 0.0):+.3g} ± {one.error:.2g}, {one.entry.verdict})"
            for one in sorted(surest, key=lambda one: one.entry.number)
        ]
        said = "; ".join(seen) or "none yet, so this is to find out"
        lines.append(f"Attempts with {table[name].name}, against the baseline: {said}.")
    return "\n".join(lines) or "No control is in force."


def _record(context: Context) -> str:
    """How earlier predictions fared, in this run."""
    fared = [
        entry for entry in context.history if entry.verdict is not None and entry.researcher == "catalogue"
    ]
    scores = [
        abs(entry.score_change - entry.predicted_score_change)
        for entry in fared
        if entry.score_change is not None and entry.predicted_score_change is not None
    ]
    entropies = [
        abs(entry.entropy - entry.predicted_entropy)
        for entry in fared
        if entry.entropy is not None and entry.predicted_entropy is not None
    ]
    if not scores:
        return "No prediction was tested yet: this one rests on the prior."
    missed = (
        f"Of {len(scores)} predictions so far, score change was missed by {sum(scores) / len(scores):.2g}"
    )
    if not entropies:
        return missed + " on average."
    return f"{missed} and final entropy by {sum(entropies) / len(entropies):.2g} on average."
