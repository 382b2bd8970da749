"""Commit messages of attempts: written so that untrusted text cannot pose as a trailer, and read back.

Owns the wording of messages; it calls no git.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping

from environments.base import SzilardError
from workspaces.plain_text import clean, one_line

SUBJECT_LENGTH = 120
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9]*(-[A-Za-z0-9]+)*")
_WHOLE = "Hypothesis: "
_PREDICTION = "Prediction: "
_INDENT = "  "
_SCISSORS = "- >8 -"


class TrailerError(SzilardError):
    """A trailer whose name git would not read back."""


def code_message(
    number: int,
    parent: int,
    *,
    hypothesis: str,
    mechanism: str,
    researcher: str,
    score_change: float | None,
    entropy: float | None,
    repair: int = 0,
) -> str:
    """Message of a code commit: hypothesis, mechanism (indented), prediction, trailers."""
    whole = one_line(hypothesis) or "(no hypothesis)"
    subject = one_line(whole, SUBJECT_LENGTH).replace(_SCISSORS, "- -")  # git reads no trailer below scissors
    body = [] if subject == whole else [_WHOLE + whole]
    lines = [line.rstrip() for line in clean(mechanism).split("\n")]
    body.append("\n".join(_INDENT + line if line else "" for line in lines).strip("\n"))
    final = "" if entropy is None else f", final entropy {entropy} nats a token"
    change = "not said" if score_change is None else f"{score_change:+}"
    body.append(f"{_PREDICTION}score change {change}{final}")
    trailers = {
        "Attempt": str(number),
        "Parent-Attempt": str(parent),
        "Researcher": researcher,
        **({} if score_change is None else {"Predicted-Score-Change": change}),
        **({} if entropy is None else {"Predicted-Entropy": str(entropy)}),
        **({"Repair": str(repair)} if repair else {}),
    }
    return "\n\n".join([subject, *filter(None, body), trailer_block(trailers)]) + "\n"


def result_message(
    number: int, *, verdict: str, reason: str, hypothesis: str, trailers: Mapping[str, str]
) -> str:
    """Message of a result commit: what became of the attempt, then its figures as trailers.

    The subject shows the trailers `Score-Change` and `Score-Change-Interval` where they are given, else
    the reason.
    """
    shown = " ".join(
        one_line(trailers[name]) for name in ("Score-Change", "Score-Change-Interval") if trailers.get(name)
    )
    told = f"{shown} — {one_line(hypothesis)}" if shown else one_line(reason)
    heading = {"Attempt": str(number), "Verdict": verdict, "Reason": reason}
    repeated = heading.keys() & trailers.keys()
    if repeated:
        raise TrailerError(f"attempt {number} gives the trailer {sorted(repeated)[0]} twice: leave it out.")
    subject = one_line(f"{verdict}: {told}", SUBJECT_LENGTH)
    return f"{subject}\n\n{trailer_block({**heading, **trailers})}\n"


def trailer_block(trailers: Mapping[str, str]) -> str:
    """The trailers as lines, in the order given, each value on one line.

    Raises:
        TrailerError: a name holds anything but letters, digits and single hyphens.
    """
    for name in trailers:
        if not _KEY.fullmatch(name):
            raise TrailerError(f"{name!r} cannot be a trailer: use letters, digits and hyphens.")
    return "\n".join(f"{name}: {one_line(value)}".rstrip() for name, value in trailers.items())


def read_trailers(block: str) -> dict[str, str]:
    """The trailers that git printed, one a line."""
    rows = (row.partition(":") for row in block.splitlines())
    return {sys.intern(name): value.strip() for name, _, value in rows}


def read_proposal(subject: str, body: str) -> tuple[str, str]:
    """Hypothesis and mechanism of a code commit's message, as `code_message` wrote them."""
    hypothesis = subject
    mechanism: list[str] = []
    for line in body.split("\n"):
        if line.startswith(_PREDICTION):
            break
        if line.startswith(_WHOLE):
            hypothesis = line.removeprefix(_WHOLE)
        else:
            mechanism.append(line.removeprefix(_INDENT))
    return hypothesis, "\n".join(mechanism).strip("\n")
