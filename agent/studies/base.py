"""What a study is: published claims, the rule that judges them, and what was found.

Owns the words that all studies share; what is trained and found is each study's own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agent.events import Observer
from agent.trials import Trials
from environments.base import SzilardError

ONE_SAMPLE = ("pass_at_1", "reward")
"""Metrics of what a single sample is worth; a domain has one of them."""

Judgement = Literal["reproduced", "partly reproduced", "not reproduced here", "not decided"]


@dataclass(frozen=True)
class Claim:
    """What was published, and the rule that says whether it was seen here; both are set before training."""

    name: str
    text: str
    source: str
    rule: str


@dataclass(frozen=True)
class Finding:
    """What came of one claim; `reason` holds the figures that the rule reads."""

    claim: str
    judgement: Judgement
    reason: str


@dataclass(frozen=True)
class Report:
    """Findings, further Markdown, and the files that the page shows or cites."""

    findings: Sequence[Finding]
    body: str
    files: Sequence[Path]


@dataclass(frozen=True)
class Study:
    """One study. `design` says in words what is trained, `trainings` how many that costs for some seeds."""

    name: str
    title: str
    claims: Sequence[Claim]
    design: str
    trainings: Callable[[int], int]
    run: Callable[[Trials, Observer, str], Report]


def one_sample(metrics: Collection[str]) -> str:
    """The metric of a single sample's worth.

    Raises:
        SzilardError: there is none, or no entropy to hold it against.
    """
    found = next((name for name in ONE_SAMPLE if name in metrics), None)
    if found is None or "entropy" not in metrics:
        raise SzilardError(
            f"The study needs the metrics entropy and {' or '.join(ONE_SAMPLE)}, which this domain lacks."
        )
    return found


def judged(met: Sequence[bool]) -> Judgement:
    """All parts of a rule met, some, or none."""
    if all(met):
        return "reproduced"
    return "partly reproduced" if any(met) else "not reproduced here"
