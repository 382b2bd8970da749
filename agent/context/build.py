"""What a language model is shown: Markdown templates beside this file and what fills them.

Owns the order of the sections, the limit of tokens, and what gives way to it; the sections themselves are
in the modules beside this one. It sends nothing and reads no disk but its templates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from string import Template

from agent.context import history_table, method_cards, standing
from agent.context.code import fitting, shown_files
from agent.context.near import contrast, nearest_to_avoid
from agent.context.plateaus import exhausted
from agent.context.predictions import track_record
from agent.context.steering import section as what_the_person_says
from agent.context.tokens import Room, tokens
from agent.proposal import Proposal
from agent.researchers.base import Context
from agent.researchers.conversation import Turn
from workspaces.edits import Edit
from workspaces.plain_text import fenced

OPENING_TOKENS = 50_000
PROTECTED_CHARACTERS = 24_000
HISTORY_SHARE = 3
FRAME_TOKENS = 250

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
    return filled(
        "researcher.md",
        study=filled("study_of_a_policy.md" if trains_policy else "study_of_a_program.md").strip(),
        scored="outside it on held-out tasks"
        if trains_policy
        else "by a protected command that sees no edited code",
        advice=filled("advice_on_a_policy.md" if trains_policy else "advice_on_a_program.md").strip(),
        entropy="expected entropy of the policy at the end of training, nats a token"
        if trains_policy
        else "null, since no policy is trained here",
        example=example.model_dump_json(indent=2),
    )


def opening(context: Context, limit: int = OPENING_TOKENS) -> tuple[Turn, Turn]:
    """The turns that open an attempt's conversation, of at most `limit` tokens as `tokens` counts them."""
    said = instructions(trains_policy=context.spec.trains_policy)
    return Turn("system", said), Turn("user", proposal_prompt(context, limit - tokens(said)))


def proposal_prompt(context: Context, limit: int = OPENING_TOKENS) -> str:
    """The request for one proposal, in at most `limit` tokens.

    What always fits is bounded by itself; the rest comes in as long as there is room, in this order: editable
    files that no method card stands for, a third of the room of attempts, newest first, method cards,
    protected files, the files of the controls that are not in force. What is left out is named. Protected
    files that are long, such as tables of data, always are.
    """
    cards = method_cards.cards(context)
    fixed = _fixed(context)
    room = Room(limit - FRAME_TOKENS - tokens(_render(context, fixed, _Shown())))
    in_force = method_cards.in_force_paths(context)
    described = {path: text for path, text in context.files.items() if path in cards and path not in in_force}
    shown = fitting({path: text for path, text in context.files.items() if path not in described}, room)
    rows = _rows(context, room)
    told = tuple(card for card in cards.values() if room.take(_in_a_fence(card)))
    short = {
        path: text for path, text in context.protected_files.items() if len(text) <= PROTECTED_CHARACTERS
    }
    protected = fitting(short, room)
    return _render(context, fixed, _Shown(rows, told, {**shown, **fitting(described, room)}, protected))


def unusable_reply(problem: str, repairs_left: int) -> str:
    """The answer to a reply that is no proposal."""
    return filled("unusable_reply.md", problem=fenced(problem), left=_left(repairs_left))


def failed_proposal(problem: str, parent: int, repairs_left: int) -> str:
    """The answer to a proposal whose edits do not apply or whose code does not run."""
    return filled("failed_proposal.md", problem=fenced(problem), parent=str(parent), left=_left(repairs_left))


@dataclass(frozen=True)
class _Shown:
    """What of a context goes into the prompt beside what always does; `rows` are newest first."""

    rows: tuple[str, ...] = ()
    cards: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    protected_files: Mapping[str, str] = field(default_factory=dict)


def _rows(context: Context, room: Room) -> tuple[str, ...]:
    """The newest attempts that fit into their share of the room."""
    share = Room(room.left // HISTORY_SHARE)
    rows = []
    for row in history_table.rows(context):
        if not share.take(_in_a_fence(row)):
            break
        room.take(_in_a_fence(row))
        rows.append(row)
    return tuple(rows)


def _in_a_fence(text: str) -> str:
    """At least as long as `text` becomes in a fence that it shares: marks of chats are broken by spaces."""
    return text + " " * (text.count("<") + text.count(">"))


def _fixed(context: Context) -> dict[str, str]:
    """The sections that are always there, each bounded by itself."""
    failed = standing.last_failure(context)
    return {
        "goal": fenced(context.goal),
        "domain": standing.domain(context.spec),
        "budget": standing.budget(context),
        "standing": standing.standing(context),
        "diagnostics": _section(
            "How the incumbent's training spent its entropy", standing.diagnostics(context)
        ),
        "optimiser": _section("What the optimiser believes", context.optimiser),
        "person": what_the_person_says(context.remarks),
        "predictions": track_record(history_table.attempts(context)),
        "exhausted": _section("Exhausted: tried in several settings, without a gain", exhausted(context)),
        "nearest": _section("Nearest to the parent and not kept: do not repeat", nearest_to_avoid(context)),
        "contrast": _section("What set attempts apart", contrast(context)),
        "failure": _section("What the latest failed attempt left behind", failed),
        "parent": str(context.parent),
        "editable": _patterns(context.spec.editable),
        "protected": _patterns(context.spec.protected),
    }


def _render(context: Context, fixed: Mapping[str, str], shown: _Shown) -> str:
    cards = fenced("".join(shown.cards), limit=None) if shown.cards else ""
    return filled(
        "proposal.md",
        **fixed,
        history=history_table.table(context, shown.rows),
        cards=_section("Controls that the code has", cards),
        files=shown_files(shown.files, context.files),
        protected_files=shown_files(shown.protected_files, context.protected_files),
    )


def _section(title: str, body: str) -> str:
    """A section with its heading; nothing where it has no body."""
    return f"# {title}\n{body}\n\n" if body else ""


def _patterns(globs: Iterable[str]) -> str:
    return ", ".join(f"`{glob}`" for glob in globs) or "none"


def _left(repairs: int) -> str:
    return (
        f"Further tries after this one: {repairs}." if repairs else "There is no further try after this one."
    )


def filled(name: str, **values: str) -> str:
    """A template of this folder with its places filled."""
    return _template(name).substitute(values)


@cache
def _template(name: str) -> Template:
    return Template(files("agent.context").joinpath(name).read_text(encoding="utf-8"))
