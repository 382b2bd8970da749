"""Whether a domain can be researched at all: what its probes measured, and the verdict on that.

Owns thresholds, words and the verdict; pure: nothing is trained, scored or written here. The numbers of a
probe become a `Probe` in `environments.probes`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Level = Literal["passed", "reported", "advice", "conditional", "unsuitable", "not measured"]
Outcome = Literal["suitable", "conditional", "unsuitable"]

ORDER = (
    *("M1", "M2", "A1", "V2", "M7", "M6", "F1", "F2", "M3", "A2", "A3", "M4", "M5", "M8", "M9"),
    *("V1", "A4", "V3", "V4", "F3", "E1"),
)


@dataclass(frozen=True)
class Thresholds:
    """Every threshold of this project's own choosing, in one place: (c) in `docs/suitability.md`.

    `effect_share`: of what training gains, the smallest effect of interest where a domain names none.
    `most_pairs`: as many seeds as a run can be given.
    """

    repeats: int = 3
    repeats_where_they_differ: int = 8
    repeat_spread: float = 0.1
    repeat_spread_of_gain: float = 0.5
    reliability: float = 0.5
    least_reliability: float = 0.2
    power_budget: float = 0.25
    most_pairs: int = 99
    effect_share: float = 0.1
    separation: float = 0.9
    gap: float = 2.0
    gaming: float = 0.5
    most_gaming: float = 0.9
    headroom: float = 5.0
    least_lines: int = 20
    most_lines: int = 3000
    sensitive_share: float = 0.6
    moved: float = 2.0
    interaction: float = 1.0
    attempt_hours: float = 2.0
    most_attempt_hours: float = 24.0
    attempts: int = 30
    least_attempts: int = 8
    overhead: float = 0.5
    large_file_bytes: int = 2**20
    changed_lines: int = 300
    budget_hours: float = 8.0


LIMITS = Thresholds()


@dataclass(frozen=True)
class Question:
    """What a probe asks: name, threshold in words, what follows where it fails, and what would mend it."""

    name: str
    threshold: str
    consequence: str
    remedy: str


QUESTIONS: Mapping[str, Question] = {
    "M1": Question(
        "one finite number",
        "every policy scores one finite number within the declared range",
        "there is nothing to compare attempts by",
        "return one finite number of the declared range for every policy that can be loaded",
    ),
    "M2": Question(
        "the same score twice",
        f"spread of {LIMITS.repeats} scorings of one policy (of {LIMITS.repeats_where_they_differ}, where "
        f"those differ) <= {LIMITS.repeat_spread:g} sigma; "
        f"unsuitable from {LIMITS.repeat_spread_of_gain:g} of what training gains",
        "a change of the score may be the evaluator's own",
        "make every draw of `score` depend on its seed, take clocks and counters out of it, pin the judge",
    ),
    "A1": Question(
        "evaluator out of reach",
        "the evaluator reads no editable file and no score that an attempt writes; "
        "an attempt that tries cannot write a protected file",
        "an attempt can write its own score",
        "move scoring out of the editable files, and score the policy, not what training says of itself",
    ),
    "V2": Question(
        "revert",
        "a reverted edit gives the parent's tree and its score",
        "what is thrown away would stay in what comes after",
        "keep everything that decides a training in the files of the template",
    ),
    "M7": Question(
        "not won by trivial policies",
        f"(best trivial - random) / (baseline - random) <= {LIMITS.gaming:g}; unsuitable from "
        f"{LIMITS.most_gaming:g}",
        "an attempt can win without solving anything",
        "score what a constant answer cannot have: other tasks, balanced classes, diversity, a penalty",
    ),
    "M6": Question(
        "trained is told from worse",
        f"over degraded and over trivial policies AUC >= {LIMITS.separation:g}, gap >= {LIMITS.gap:g} sigma",
        "the metric does not tell a trained policy from a worse one",
        "choose a metric that training moves, or train for longer",
    ),
    "F1": Question(
        "seconds of an attempt",
        f"90% of them within {LIMITS.attempt_hours:g} h; unsuitable above {LIMITS.most_attempt_hours:g} h",
        "the research takes weeks",
        "train less, on a smaller policy, or score by something that is known at once",
    ),
    "F2": Question(
        "attempts within the budget",
        f">= {LIMITS.attempts}; unsuitable below {LIMITS.least_attempts}",
        "too few ideas can be tried",
        "give more --hours, or shorten the training",
    ),
    "M3": Question(
        "seed noise",
        "reported; unsuitable where seeds give equal policies",
        "noise cannot be measured, so no change can be told from it",
        "make training depend on the seed that the job names",
    ),
    "A2": Question(
        "size of the surface",
        f"{LIMITS.least_lines} to {LIMITS.most_lines} editable lines",
        "there is next to nothing to edit, or more than can be read",
        "name the files that decide the training as editable, and only these",
    ),
    "A3": Question(
        "edits move the score",
        f">= {LIMITS.sensitive_share:g} of planted edits by more than {LIMITS.moved:g} sigma, a no-op not; "
        "unsuitable if none does",
        "what may be edited does not decide the score",
        "make the training use what is editable",
    ),
    "M4": Question(
        "reliability",
        f"ICC(1,1), lower 95% bound >= {LIMITS.reliability:g}; value below {LIMITS.least_reliability:g} "
        "unsuitable",
        "the same policy scores differently on other draws of the tasks",
        "score more tasks, or more samples of each",
    ),
    "M5": Question(
        "seeds needed",
        f"paired t, power .8: 2 n t <= {LIMITS.power_budget:.0%} of the budget; unsuitable above all of it, "
        f"or above the {LIMITS.most_pairs} seeds that a run can have",
        "the effect asked for drowns in noise",
        "ask for a larger --effect, lower the noise (more tasks, a longer training), or give more --hours",
    ),
    "M8": Question(
        "headroom",
        f"(best possible - baseline) / sigma >= {LIMITS.headroom:g}",
        "there is nothing left to gain",
        "use harder tasks, or a metric that does not saturate",
    ),
    "M9": Question(
        "immediate",
        "scoring takes no longer than training, and no person",
        "the loop waits for its score",
        "score by something that a machine knows at once",
    ),
    "V1": Question(
        "reproduced from git",
        f"a clean checkout, trained and scored again, within {LIMITS.moved:g} sigma",
        "a kept attempt cannot be had again",
        "commit what training reads: put data into the template, or into the starting policy, unchanging",
    ),
    "A4": Question(
        "edits add up",
        f"interaction of two edits <= {LIMITS.interaction:g} of the larger effect",
        "a gain cannot be laid to one of its edits",
        "let one attempt change one thing",
    ),
    "V3": Question(
        "clean commits",
        "no binary and no file above 1 MiB added by an attempt",
        "the ledger grows and cannot be read",
        "keep data and weights out of the editable files",
    ),
    "V4": Question(
        "size of a change",
        f"95% of the edits change at most {LIMITS.changed_lines} lines",
        "changes cannot be read",
        "split large files",
    ),
    "F3": Question(
        "overhead",
        f"<= {LIMITS.overhead:g} of the seconds are not spent training or scoring",
        "the machine waits",
        "shorten what starts and ends a training",
    ),
    "E1": Question(
        "entropy regime",
        "reported: spend, keep, interior or undecided",
        "which way entropy should go is not known",
        "`szilard env assess NAME --full` trains at other entropies",
    ),
}


@dataclass(frozen=True)
class Probe:
    """One probe's answer. `number` is in units of the metric where it is a score; None where it has none."""

    id: str
    name: str
    number: float | None
    threshold: str
    verdict: Level
    finding: str
    consequence: str
    remedy: str


SAID: Mapping[Level, str] = {
    "passed": "yes",
    "reported": "reported",
    "advice": "advice",
    "conditional": "with conditions",
    "unsuitable": "NO",
    "not measured": "not measured",
}


def answer(probe: str, verdict: Level, number: float | None, finding: str) -> Probe:
    """The record of a probe: its finding, with the words that belong to it."""
    question = QUESTIONS[probe]
    fails = verdict in ("conditional", "unsuitable", "advice")
    return Probe(
        probe,
        question.name,
        number,
        question.threshold,
        verdict,
        finding,
        question.consequence if fails else "",
        question.remedy if fails else "",
    )


@dataclass(frozen=True)
class Assessment:
    """The verdict on a domain: `deciding` is the probe that decided it, None where all passed."""

    outcome: Outcome
    deciding: str | None
    reason: str
    probes: tuple[Probe, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "outcome": self.outcome,
            "deciding": self.deciding,
            "reason": self.reason,
            "thresholds": asdict(LIMITS),
            "probes": [asdict(probe) for probe in self.probes],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Assessment:
        """The inverse of `to_json`. Raises KeyError or TypeError where a field is missing or unknown."""
        probes = tuple(Probe(**row) for row in data["probes"])
        return cls(data["outcome"], data["deciding"], data["reason"], probes)


def assess(probes: Sequence[Probe]) -> Assessment:
    """The verdict: no weighted mean, since one missing property blocks.

    Any unsuitable probe decides, else any conditional one; one that was not measured caps the verdict at
    conditional, the entropy regime apart. Of several, the first in `ORDER` is named.

    Raises:
        ValueError: no probe, or one twice.
    """
    if not probes or len({probe.id for probe in probes}) < len(probes):
        raise ValueError("a verdict needs probes, and each of them once")
    inorder = tuple(sorted(probes, key=lambda probe: ORDER.index(probe.id)))
    levels: tuple[tuple[Level, Outcome], ...] = (
        ("unsuitable", "unsuitable"),
        ("conditional", "conditional"),
        ("not measured", "conditional"),
    )
    for level, outcome in levels:
        found = next((probe for probe in inorder if probe.verdict == level and probe.id != "E1"), None)
        if found is not None:
            return Assessment(outcome, found.id, _sentence(found), inorder)
    return Assessment("suitable", None, "No probe stands against it.", inorder)


def _sentence(probe: Probe) -> str:
    told = f"{probe.id} ({probe.name}): {probe.finding}"
    if probe.verdict == "not measured":
        return f"{told}."
    return f"{told}; {probe.consequence}. To mend it: {probe.remedy}."
