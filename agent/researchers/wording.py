"""What the catalogue says of its proposals: hypothesis, mechanism, evidence, and how it fared so far.

An attempt has two figures: its mean over its seeds against the baseline's over all of its own, which the
catalogue learns from, and the change paired by seed, which decides. Whichever is named says which it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agent.context.entropy_response import entropy_response
from agent.researchers.base import Context
from agent.researchers.configuration import Configuration, scientific
from agent.researchers.control_table import Table
from agent.researchers.surrogate import Surrogate
from agent.researchers.tried import Tried

_SHOWN = 2
_LONGEST = 120
_RATIO = re.compile(r" \(x[0-9.e+-]+\)")


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
    """One line with every setting that moves between parent and target; words give way before settings."""
    parent = known.parent
    changes, pace = _Changes.between(known.table, parent, target), _pace(known.baseline, parent, target)
    act = changes.together() or f"training with {parent.described(known.table)}"
    relative = _best_relative(known, target)
    hint = f", as attempt {relative.entry.number} hints" if relative is not None else ""
    sentence = f"{act} {_effect(known, target, ' '.join(pace), moved=bool(changes.together()))}"
    plain = " ".join([act, *pace])
    short = _RATIO.sub("", plain)
    lines = [sentence + hint, sentence, f"{plain} pays", f"{short} pays", short]
    if not changes.together():
        lines.append(f"training the parent's controls {' '.join(pace)}")
    fitting = (line for line in lines if len(line) < _LONGEST)
    line = next(fitting, _cut([_RATIO.sub("", " ".join(pace)), *changes.one_by_one()]))
    return f"{line[0].upper()}{line[1:]}"


@dataclass(frozen=True)
class _Changes:
    """What becomes of the controls, in words."""

    added: Sequence[str]
    removed: Sequence[str]
    moved: Sequence[str]

    @classmethod
    def between(cls, table: Table, parent: Configuration, target: Configuration) -> _Changes:
        before, after = dict(parent.controls), dict(target.controls)
        return cls(
            [table[name].described(value) for name, value in after.items() if name not in before],
            [table[name].described(value) for name, value in before.items() if name not in after],
            [
                f"{table[name].described(before[name])} to {value:g}"
                for name, value in after.items()
                if name in before and before[name] != value
            ],
        )

    def together(self) -> str:
        added, removed = " + ".join(self.added), " + ".join(self.removed)
        if self.added:
            swap = f"replacing {removed} by {added}" if removed else f"adding {added}"
        else:
            swap = f"dropping {removed}" if removed else ""
        move = f"moving {' and '.join(self.moved)}" if self.moved else ""
        return " and ".join(part for part in (swap, move) if part)

    def one_by_one(self) -> list[str]:
        """The same with signs for words, for where there are many."""
        return [
            *(f"+{one}" for one in self.added),
            *(f"-{one}" for one in self.removed),
            *self.moved,
        ]


def _effect(known: Known, target: Configuration, pace: str, *, moved: bool) -> str:
    """What the change of the controls is to do for a training at this pace."""
    parent = known.parent
    if not moved:
        return f"{pace} spends entropy at a better price"
    restrained = known.surrogate.entropy(target) >= known.surrogate.entropy(parent)
    if not {name for name, _ in target.controls} <= {name for name, _ in parent.controls}:
        if target.learning_rate > parent.learning_rate:
            return f"lets the policy train {pace}{' and keep entropy' if restrained else ''}"
        effect = "keeps entropy for longer"
    else:
        effect = f"{'holds' if restrained else 'frees'} entropy to better effect"
    return f"{effect}, trained {pace}" if pace else effect


def _cut(settings: Sequence[str]) -> str:
    """As many settings as there is room for, and how many there are besides."""
    settings = [setting for setting in settings if setting]
    shown = len(settings)
    while shown > 1 and len(_listed(settings, shown)) >= _LONGEST:
        shown -= 1
    return _listed(settings, shown)[: _LONGEST - 1]


def _listed(settings: Sequence[str], shown: int) -> str:
    more = len(settings) - shown
    return ", ".join([*settings[:shown], *([f"and {more} more"] if more else [])])


def _pace(baseline: Configuration, parent: Configuration, target: Configuration) -> list[str]:
    """Learning rate and length where they differ from the parent's; the ratio is to the baseline's rate."""
    parts = []
    if target.learning_rate != parent.learning_rate:
        ratio = target.learning_rate / baseline.learning_rate
        parts.append(f"at {scientific(target.learning_rate)} (x{ratio:.2g})")
    if target.steps != parent.steps:
        parts.append(f"for {target.steps} steps")
    return parts


def _best_relative(known: Known, target: Configuration) -> Tried | None:
    """The best attempt that shares a control with the target and gained by both estimates."""
    better = known.context.spec.better
    names = {name for name, _ in target.controls}
    relatives = [
        one
        for one in known.tried
        if min(one.gain or 0.0, better(one.entry.score_change or 0.0)) > 0
        and names & {name for name, _ in one.configuration.controls}
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
        f"Expected of its mean against the baseline's: {context.spec.better(gain):+.3g} (sd {deviation:.2g})."
        f" Predicted of the change to its parent that the verdict will state: {change:+.3g};"
        f" final entropy {entropy:.3g} nats a token."
    )
    if context.spec.better(change) <= 0:
        effects.append("No gain is expected; the draw chose it for what its uncertainty leaves possible.")
    response = entropy_response([context.baseline, *context.history])
    return "\n".join([*effects, response, _evidence(known, target), _record(context)])


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
            f" {context.spec.better(one.gain or 0.0):+.3g} ± {one.error:.2g}, n = {one.entry.seeds or 1},"
            f" {one.entry.verdict})"
            for one in sorted(surest, key=lambda one: one.entry.number)
        ]
        said = "; ".join(seen) or "none yet, so this is to find out"
        lines.append(f"Attempts with {table[name].name}: {said}.")
    if any("n = " in line for line in lines):
        lines.append(
            "These are means over an attempt's n seeds against the baseline's mean over its"
            f" {context.baseline.seeds}, not the paired changes of the verdicts."
        )
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
        f"Of {len(scores)} predictions so far, the change that the verdict stated was missed by"
        f" {sum(scores) / len(scores):.2g}"
    )
    if not entropies:
        return missed + " on average."
    return f"{missed} and final entropy by {sum(entropies) / len(entropies):.2g} on average."
