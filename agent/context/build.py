"""What a language model is shown: Markdown templates beside this file and what fills them.

Owns wording, fencing and length of prompts; it sends nothing and reads no disk but its templates.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import unified_diff
from functools import cache
from importlib.resources import files
from itertools import accumulate
from string import Template

from agent.context.entropy_response import entropy_response
from agent.context.predictions import track_record
from agent.proposal import Proposal
from agent.researchers.base import Context, HistoryEntry
from environments.base import EnvironmentSpec
from workspaces.edits import Edit
from workspaces.plain_text import clipped, fenced, one_line

PROMPT_CHARACTERS = 160_000
PROTECTED_CHARACTERS = 24_000
SHOWN_CHANGES = 16

_EXAMPLE = Proposal(
    hypothesis="A small entropy bonus lets the policy train at twice the learning rate",
    mechanism="The bonus slows the loss of entropy that the higher learning rate would otherwise cause.",
    predicted_score_change=0.004,
    predicted_entropy=0.3,
    edits=(
        Edit(path="settings.py", search="LEARNING_RATE = 0.001", replace="LEARNING_RATE = 0.002"),
        Edit(path="terms/bonus.py", content="COEFFICIENT = 0.005\n"),
    ),
)


def instructions(*, trains_policy: bool = True) -> str:
    """The standing part of every conversation: the task, the rules and the form of an answer.

    `trains_policy`: a policy with an entropy is trained; else a program is, of which nothing else is known.
    """
    example = _EXAMPLE if trains_policy else _EXAMPLE.model_copy(update={"predicted_entropy": None})
    return _fill(
        "researcher.md",
        study=_fill("study_of_a_policy.md" if trains_policy else "study_of_a_program.md").strip(),
        scored="outside it on held-out tasks"
        if trains_policy
        else "by a protected command that sees no edited code",
        advice=_fill("advice_on_a_policy.md" if trains_policy else "advice_on_a_program.md").strip(),
        entropy="expected entropy of the policy at the end of training, nats a token"
        if trains_policy
        else "null, since no policy is trained here",
        example=example.model_dump_json(indent=2),
    )


def proposal_prompt(context: Context, limit: int = PROMPT_CHARACTERS) -> str:
    """The request for one proposal, in at most about `limit` characters.

    What does not fit is left out and named: the oldest attempts first, then protected files, then
    editable files, the largest first. Protected files that are long, such as tables of data, always are.
    """
    protected = {
        path: text for path, text in context.protected_files.items() if len(text) <= PROTECTED_CHARACTERS
    }
    shown = _Shown(_rows(context, limit), context.files, protected)
    text = _render(context, shown)
    while len(text) > limit and (shorter := shown.shorter(len(text) - limit)) is not None:
        shown = shorter
        text = _render(context, shown)
    return text


def unusable_reply(problem: str, repairs_left: int) -> str:
    """The answer to a reply that is no proposal."""
    return _fill("unusable_reply.md", problem=fenced(problem), left=_left(repairs_left))


def failed_proposal(problem: str, parent: int, repairs_left: int) -> str:
    """The answer to a proposal whose edits do not apply or whose code does not run."""
    return _fill("failed_proposal.md", problem=fenced(problem), parent=str(parent), left=_left(repairs_left))


@dataclass(frozen=True)
class _Shown:
    """What of a context goes into the prompt; what is missing in it was left out to keep it short."""

    rows: tuple[str, ...]
    files: Mapping[str, str]
    protected_files: Mapping[str, str]

    def shorter(self, excess: int) -> _Shown | None:
        """Leave out about `excess` characters of the least important kind; None when nothing is left."""
        if self.rows:
            lengths = accumulate(len(row) for row in self.rows)
            enough = next((number for number, length in enumerate(lengths, 1) if length >= excess), None)
            return replace(self, rows=self.rows[enough:] if enough else ())
        if self.protected_files:
            return replace(self, protected_files=_without_largest(self.protected_files))
        return replace(self, files=_without_largest(self.files)) if self.files else None


def _without_largest(texts: Mapping[str, str]) -> dict[str, str]:
    largest = max(sorted(texts), key=lambda path: len(texts[path]))
    return {path: text for path, text in texts.items() if path != largest}


def _rows(context: Context, limit: int) -> tuple[str, ...]:
    """The newest attempts, oldest first, as many as can fit into `limit` characters."""
    known = {entry.number: entry for entry in (*context.history, context.incumbent, context.baseline)}
    rows: list[str] = []
    length = 0
    for entry in reversed(_attempts(context)):
        rows.append(_row(entry, known.get(entry.parent or 0), context))
        length += len(rows[-1])
        if length > limit:
            break
    return tuple(reversed(rows))


def _attempts(context: Context) -> list[HistoryEntry]:
    return [entry for entry in context.history if entry.number != context.baseline.number]


def _render(context: Context, shown: _Shown) -> str:
    return _fill(
        "proposal.md",
        goal=fenced(context.goal),
        domain=_domain(context.spec),
        attempt=str(context.attempt),
        attempts=str(context.attempts),
        left=str(max(context.attempts - context.attempt, 0)),
        standing=_standing(context),
        diagnostics=_diagnostics(context),
        optimiser=f"# What the optimiser believes\n{context.optimiser}\n\n" if context.optimiser else "",
        history=_history(context, shown.rows),
        predictions=track_record(_attempts(context)),
        parent=str(context.parent),
        editable=_patterns(context.spec.editable),
        files=_files(shown.files, context.files),
        protected=_patterns(context.spec.protected),
        protected_files=_files(shown.protected_files, context.protected_files),
    )


def _diagnostics(context: Context) -> str:
    """Where entropy went, as a section; empty where nothing has an entropy."""
    if not context.spec.trains_policy:
        return ""
    said = fenced(context.diagnostics or "None were recorded.")
    return f"# How the incumbent's training spent its entropy\n{said}\n\n"


def _domain(spec: EnvironmentSpec) -> str:
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


def _standing(context: Context) -> str:
    baseline, incumbent = context.baseline, context.incumbent
    lines = [f"Baseline (attempt 0): score {_score(baseline, context)}{_final(baseline.entropy, context)}."]
    if incumbent.number == baseline.number:
        lines.append("The baseline is still the incumbent: nothing has been kept yet.")
    else:
        lines.append(
            f"Incumbent (attempt {incumbent.number}): score {_score(incumbent, context)}"
            f"{_final(incumbent.entropy, context)}."
        )
    if context.parent != incumbent.number:
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
    noise = "not known" if context.noise is None else f"{context.noise:.3g}"
    lines.append(f"Noise (standard deviation of the baseline's score over seeds): {noise}.")
    if context.spec.trains_policy:
        lines.append(entropy_response([baseline, *context.history]))
    return "\n".join(lines)


def _score(entry: HistoryEntry, context: Context) -> str:
    """The score with the decimals that show three digits of its change from the baseline and of the noise."""
    if entry.score is None:
        return "not known"
    distances = [context.noise or 0.0, entry.score - (context.baseline.score or 0.0)]
    smallest = min((abs(distance) for distance in distances if distance), default=0.001)
    return f"{entry.score:.{min(max(2 - math.floor(math.log10(smallest)), 4), 9)}f}"


def _history(context: Context, rows: tuple[str, ...]) -> str:
    attempts = len(_attempts(context))
    if not attempts:
        return "No attempt has been made yet."
    text = "\n".join(rows)
    hidden = attempts - len(rows)
    note = f"The oldest {hidden} of {attempts} attempts are left out for length.\n" if hidden else ""
    return note + (fenced(text, limit=None) if rows else "")


def _row(entry: HistoryEntry, parent: HistoryEntry | None, context: Context) -> str:
    verdict = entry.verdict or "in flight, no verdict yet"
    lines = [
        f"attempt {entry.number} on {entry.parent}{_against(entry)} by {entry.researcher}: {verdict}",
        f"  hypothesis: {_line(entry.hypothesis)}",
        f"  predicted: score change {_change(entry.predicted_score_change)}"
        f"{_final(entry.predicted_entropy, context)}",
    ]
    if entry.verdict is not None:
        error = "" if entry.standard_error is None else f" ± {entry.standard_error:.3g}"
        lines.append(
            f"  measured: score change {_change(entry.score_change)}{error}{_final(entry.entropy, context)}"
        )
    if entry.forecast is not None and entry.score_change is None:
        foreseen, spread = entry.forecast
        lines.append(f"  foreseen: score change {foreseen:+.3g} ± {spread:.3g}, positive is better")
    if entry.reason:
        lines.append(f"  reason: {_line(entry.reason)}")
    if entry.diagnosis:
        lines.append(f"  entropy: {_line(entry.diagnosis)}")
    if parent is not None and parent.files and entry.files:
        lines += _changes(parent.files, entry.files)
    return "\n".join(lines) + "\n"


def _against(entry: HistoryEntry) -> str:
    return "" if entry.against == entry.parent else f" against {entry.against}"


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    changes: list[str] = []
    for path in sorted({*before, *after}):
        old, new = before.get(path, "").splitlines(), after.get(path, "").splitlines()
        difference = list(unified_diff(old, new, n=0, lineterm=""))[2:]
        changes += [f"    {path}: {clipped(line, 200)}" for line in difference if line[0] in "+-"]
    hidden = len(changes) - SHOWN_CHANGES
    return changes[:SHOWN_CHANGES] + ([f"    [... {hidden} more changed lines ...]"] if hidden > 0 else [])


def _files(shown: Mapping[str, str], every: Mapping[str, str]) -> str:
    parts = [
        f"{json.dumps(path)}:\n{fenced(text, 'python' if path.endswith('.py') else 'text', limit=None)}"
        for path, text in sorted(shown.items())
    ]
    parts += [
        f"{json.dumps(path)}: left out for length ({len(every[path])} characters)."
        for path in sorted(every)
        if path not in shown
    ]
    return "\n\n".join(parts) or "None."


def _patterns(globs: Iterable[str]) -> str:
    return ", ".join(f"`{glob}`" for glob in globs) or "none"


def _change(value: float | None) -> str:
    return "not known" if value is None else f"{value:+.3g}"


def _final(entropy: float | None, context: Context) -> str:
    """The part of a sentence that says a final entropy; empty where nothing has one."""
    if not context.spec.trains_policy:
        return ""
    return ", final entropy " + ("not known" if entropy is None else f"{entropy:.3g} nats a token")


def _left(repairs: int) -> str:
    return (
        f"Further tries after this one: {repairs}." if repairs else "There is no further try after this one."
    )


def _line(text: str) -> str:
    return clipped(one_line(text), 600).replace("\n", " ")


def _fill(name: str, **values: str) -> str:
    return _template(name).substitute(values)


@cache
def _template(name: str) -> Template:
    return Template(files("agent.context").joinpath(name).read_text(encoding="utf-8"))
