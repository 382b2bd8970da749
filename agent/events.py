"""What a run tells whoever watches it. Events are advisory: state lives in the ledger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Phase = Literal[
    "baseline",
    "propose",
    "edit",
    "check",
    "train",
    "score",
    "decide",
    "confirm",
    "frontier",
    "ablate",
    "done",
]


@dataclass(frozen=True)
class Message:
    """One line for a person, in the order in which things happened."""

    text: str


@dataclass(frozen=True)
class Progress:
    """Where one attempt stands. A field is None while it is not known; `attempt` 0 is the baseline.

    `seconds` counts from the attempt's start; `entropy` is nats a token; `score` and
    `standard_error` are in units of the metric; `verdict` appears with the last event.
    """

    attempt: int
    phase: Phase
    hypothesis: str | None = None
    detail: str | None = None
    seconds: float | None = None
    score: float | None = None
    standard_error: float | None = None
    change: float | None = None
    entropy: float | None = None
    verdict: str | None = None


Event = Message | Progress
Observer = Callable[[Event], None]
