"""Where a run stands: domain, what is left to spend, scores with their noise, the latest failure.

Owns these sentences and the digits of their figures.
"""

from __future__ import annotations

import math
import re

from agent.context.entropy_response import entropy_response
from agent.researchers.base import Context, HistoryEntry
from environments.base import EnvironmentSpec
from workspaces.plain_text import fenced

FAILURE_CHARACTERS = 2_400
_LEFT = "Left in all, with what the confirmation takes: "
_TIME_LEFT = re.compile(rf"^{_LEFT}.*$", re.M)


def domain(spec: EnvironmentSpec) -> str:
    """What is optimised, within which limits."""
    low, high = spec.range
    lines = [
        f"{spec.name}: {spec.description}",
        f"Metric to {spec.direction}: {spec.metric}, between {low:g} and {high:g}. {spec.metric_meaning}",
        f"One training may spend: {', '.join(f'{unit} {count}' for unit, count in spec.budget.items())}.",
    ]
    lines += [
        f"Guard: {guard.metric} must not be worse than the baseline's by more than {guard.tolerance:g}."
        for guard in spec.guards
    ]
    return "\n".join(lines)


def budget(context: Context) -> str:
    """How many attempts may follow, and what is left of every other bound."""
    left = max(context.attempts - context.attempt, 0)
    lines = [f"This is attempt {context.attempt} of {context.attempts}; {left} more may follow it."]
    if context.budget_left:
        lines.append(f"{_LEFT}{'; '.join(context.budget_left)}.")
    return "\n".join(lines)


def without_time_left(prompt: str) -> str:
    """A prompt without the line that says what is left besides attempts."""
    return _TIME_LEFT.sub("", prompt)


def standing(context: Context) -> str:
    """Baseline and incumbent, and what can be told from noise."""
    baseline, incumbent = context.baseline, context.incumbent
    lines = []
    if incumbent.number == baseline.number:
        lines.append(f"Baseline (attempt 0): score {_score(baseline, context)}{_interval(context)}.")
        lines.append("The baseline is still the incumbent: nothing has been kept yet.")
    else:
        lines.append(f"Baseline (attempt 0): score {_score(baseline, context)}.")
        lines.append(
            f"Incumbent (attempt {incumbent.number}): score {_score(incumbent, context)}{_interval(context)}."
        )
    lines += _course(context)
    noise = "not known" if context.noise is None else f"{context.noise:.3g}"
    lines.append(f"Noise (standard deviation of the baseline's score over seeds): {noise}.")
    if context.detectable:
        lines.append(
            f"Noise floor: a change for the better of {context.detectable:.3g} is found four times in five; "
            "smaller ones mostly are not."
        )
    if context.spec.trains_policy:
        lines.append(entropy_response([baseline, *context.history]))
    return "\n".join(lines)


def _course(context: Context) -> list[str]:
    """Where the search has gone, and what it asks for there."""
    lines = []
    if context.parent != context.incumbent.number:
        lines.append(
            f"The search has gone to another branch: your proposal is built on attempt {context.parent}, "
            "and has to beat the incumbent."
        )
    if context.unseen:
        lines.append(
            f"Proposals made at this moment, which you are not shown: {context.unseen}. "
            "Take a direction of your own."
        )
    if context.stalled:
        lines.append(
            f"The last {context.stalled} attempts kept nothing: propose a structural change, such as another "
            "mechanism, not another value of what was tried."
        )
    return lines


def diagnostics(context: Context) -> str:
    """Where the incumbent's entropy went; empty where nothing has an entropy."""
    if not context.spec.trains_policy:
        return ""
    return fenced(context.diagnostics or "None were recorded.")


def last_failure(context: Context) -> str:
    """What the latest failed attempt left behind, with its end kept; empty where none failed."""
    said = context.last_failure
    return fenced(said, limit=FAILURE_CHARACTERS) if said else ""


def _score(entry: HistoryEntry, context: Context) -> str:
    """Score and final entropy; with the decimals that show three digits of the change and of the noise."""
    score = "not known" if entry.score is None else f"{entry.score:.{_decimals(entry, context)}f}"
    if not context.spec.trains_policy:
        return score
    entropy = "not known" if entry.entropy is None else f"{entry.entropy:.3g} nats a token"
    return f"{score}, final entropy {entropy}"


def _interval(context: Context) -> str:
    if context.score_interval is None:
        return ""
    decimals = _decimals(context.incumbent, context)
    low, high = context.score_interval
    return f", 95% interval of the score over its seeds {low:.{decimals}f} to {high:.{decimals}f}"


def _decimals(entry: HistoryEntry, context: Context) -> int:
    distances = [context.noise or 0.0, (entry.score or 0.0) - (context.baseline.score or 0.0)]
    smallest = min((abs(distance) for distance in distances if distance), default=0.001)
    return min(max(2 - math.floor(math.log10(smallest)), 4), 9)
