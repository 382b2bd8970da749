"""The offline researcher: proposes from a catalogue of entropy controls by what the run has measured.

Owns the choice and its words. It keeps no state: history is read anew for every proposal, and equal
contexts give equal proposals. What it can express is said in `configuration`, what it expects in
`surrogate`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agent.proposal import Proposal
from agent.researchers.base import Context, HistoryEntry, NoProposal
from agent.researchers.configuration import CONTROLS, Configuration, edits, neighbours, read, scientific
from agent.researchers.surrogate import Observation, Surrogate

_UNKNOWN_NOISE = 0.004
_CENTRES = 2
_SHOWN = 2


@dataclass(frozen=True)
class _Tried:
    """An attempt that the catalogue can read; `gain` is against the baseline, positive is better."""

    entry: HistoryEntry
    configuration: Configuration
    gain: float | None
    error: float


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
        baseline = read(context.baseline.files)
        if baseline is None:
            raise NoProposal(
                "the catalogue cannot read the baseline's recipe.py and entropy_control.py; use --model"
            )
        noise = context.noise or _UNKNOWN_NOISE * _width(context.spec.range)
        tried = _tried(context, noise)
        surrogate = Surrogate(
            baseline,
            [Observation(one.configuration, one.gain, one.error, one.entry.entropy) for one in tried],
            noise,
            context.baseline.entropy,
        )
        parent = read(context.files) or baseline
        pool = _pool(parent, baseline, tried, surrogate)
        if not pool:
            raise NoProposal("everything in the catalogue near the best configurations was tried")
        drawn = surrogate.draw(pool, np.random.default_rng(context.seed), _boldness(context))
        target = pool[int(np.argmax(drawn))]
        return _proposal(context, surrogate, tried, baseline, parent, target)

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


def _tried(context: Context, noise: float) -> list[_Tried]:
    entries = {entry.number: entry for entry in (context.baseline, context.incumbent, *context.history)}
    tried = []
    for number, entry in sorted(entries.items()):
        configuration = read(entry.files)
        if configuration is None:
            continue
        gain = 0.0 if number == context.baseline.number else _gain(context, entry, noise)
        error = math.hypot(noise / max(entry.seeds, 1) ** 0.5, context.baseline.standard_error or 0.0)
        tried.append(_Tried(entry, configuration, gain, error))
    return tried


def _gain(context: Context, entry: HistoryEntry, noise: float) -> float | None:
    """Change of the mean score against the baseline's over all its seeds.

    Not the paired change of the verdict: after two seeds that says more about the two baseline seeds,
    which all attempts share, than about the attempt. An attempt that a guard stopped counts as a small
    loss, whatever its score.
    """
    if entry.verdict in (None, "void") or entry.score is None or context.baseline.score is None:
        return None
    gain = context.spec.better(entry.score - context.baseline.score)
    return min(gain, -noise) if entry.verdict != "kept" and "guard" in (entry.reason or "") else gain


def _pool(
    parent: Configuration, baseline: Configuration, tried: Sequence[_Tried], surrogate: Surrogate
) -> list[Configuration]:
    """Untried neighbours of the parent and of the best-looking attempts, in a fixed order.

    What is in flight with the same kinds of control will teach the same, so it is waited for.
    """
    expected = {one.entry.number: surrogate.change(one.configuration)[0] for one in tried}
    measured = [one for one in tried if one.gain is not None]
    reached = surrogate.change(parent)[0]
    better = [one for one in measured if expected[one.entry.number] > reached]
    ranked = sorted(better, key=lambda one: (-expected[one.entry.number], one.entry.number))
    promising = {
        name for one in measured if expected[one.entry.number] > 0 for name, _ in one.configuration.controls
    }
    known: dict[str, set[float]] = {}
    for one in tried:
        for name, value in one.configuration.controls:
            known.setdefault(name, set()).add(value)
    seen = {one.configuration for one in tried} | {baseline}
    pool: dict[Configuration, None] = {}
    for centre in [parent, *(one.configuration for one in ranked[:_CENTRES])]:
        pool.update(dict.fromkeys(neighbours(centre, baseline, known, promising)))
    untried = [configuration for configuration in pool if configuration not in seen]
    flying = {_kinds(one.configuration) for one in tried if one.entry.verdict is None}
    return [configuration for configuration in untried if _kinds(configuration) not in flying] or untried


def _kinds(configuration: Configuration) -> tuple[str, ...]:
    return tuple(name for name, _ in configuration.controls)


def _proposal(
    context: Context,
    surrogate: Surrogate,
    tried: Sequence[_Tried],
    baseline: Configuration,
    parent: Configuration,
    target: Configuration,
) -> Proposal:
    gain, _ = surrogate.change(target)
    reached, _ = surrogate.change(parent)
    change, entropy = context.spec.better(gain - reached), surrogate.entropy(target)
    return Proposal(
        hypothesis=_hypothesis(surrogate, tried, baseline, parent, target),
        mechanism=_mechanism(context, surrogate, tried, baseline, target, change, entropy),
        predicted_score_change=round(min(max(change, -10.0), 10.0), 6),
        predicted_entropy=round(min(entropy, 20.0), 4),
        edits=edits(context.files, target, context.baseline.files),
    )


def _hypothesis(
    surrogate: Surrogate,
    tried: Sequence[_Tried],
    baseline: Configuration,
    parent: Configuration,
    target: Configuration,
) -> str:
    """One line from what moves between parent and target and from what the run has learned of it."""
    before, after = dict(parent.controls), dict(target.controls)
    added = [CONTROLS[name].described(value) for name, value in after.items() if name not in before]
    removed = [CONTROLS[name].described(value) for name, value in before.items() if name not in after]
    moved = [
        f"{CONTROLS[name].described(before[name])} to {value:g}"
        for name, value in after.items()
        if name in before and before[name] != value
    ]
    pace = _pace(baseline, parent, target)
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
        act, effect = f"training {parent.described()} {pace}", "spends entropy at a better price"
    sentence = f"{act[0].upper()}{act[1:]} {effect}"
    evidence = _best_relative(tried, target)
    hint = f", as attempt {evidence.entry.number} hints" if evidence is not None else ""
    together = target.described()
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


def _best_relative(tried: Sequence[_Tried], target: Configuration) -> _Tried | None:
    """The best attempt with a gain that shares a control with the target."""
    names = {name for name, _ in target.controls}
    relatives = [
        one
        for one in tried
        if one.gain is not None and one.gain > 0 and names & {name for name, _ in one.configuration.controls}
    ]
    return max(relatives, key=lambda one: one.gain or 0.0, default=None)


def _mechanism(
    context: Context,
    surrogate: Surrogate,
    tried: Sequence[_Tried],
    baseline: Configuration,
    target: Configuration,
    change: float,
    entropy: float,
) -> str:
    effects = [
        f"{CONTROLS[name].described(value)}: {CONTROLS[name].effect}." for name, value in target.controls
    ]
    if target.learning_rate > baseline.learning_rate and target.controls:
        effects.append(
            "A control slows the spending of entropy: a learning rate pays that alone would spend it all."
        )
    elif not target.controls:
        effects.append("Learning rate and length alone move along the frontier that the baseline lies on.")
    gain, deviation = surrogate.change(target)
    effects.append(
        f"Expected against the baseline: {context.spec.better(gain):+.3g} (sd {deviation:.2g});"
        f" against the parent: {change:+.3g}; final entropy {entropy:.3g} nats a token."
    )
    if context.spec.better(change) <= 0:
        effects.append("No gain is expected; the draw chose it for what its uncertainty leaves possible.")
    return "\n".join([*effects, _evidence(context, tried, target), _record(context)])


def _evidence(context: Context, tried: Sequence[_Tried], target: Configuration) -> str:
    lines = []
    for name, _ in target.controls:
        related = [one for one in tried if one.gain is not None and name in dict(one.configuration.controls)]
        surest = sorted(related, key=lambda one: (one.error, -one.entry.number))[:_SHOWN]
        seen = [
            f"{one.entry.number} ({one.configuration.described()} at"
            f" {scientific(one.configuration.learning_rate)}:"
            f" {context.spec.better(one.gain or 0.0):+.3g} ± {one.error:.2g}, {one.entry.verdict})"
            for one in sorted(surest, key=lambda one: one.entry.number)
        ]
        said = "; ".join(seen) or "none yet, so this is to find out"
        lines.append(f"Attempts with {CONTROLS[name].name}, against the baseline: {said}.")
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
