"""Where the entropy of one training went: checkpoints, law, what was touched, and one sentence.

Owns the figures; the sentence is made from them in `diagnosis_sentence`. Everything hangs on the trace, the
controls named in the code and nothing else, so equal trainings give equal diagnoses.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from agent.diagnosis_sentence import Course, Direction, Law, sentence_of
from agent.trace import LAW_POINTS, MOST_CONTROLS, Quantiles, TraceRow, blocks

CHECKPOINTS = 8
FEWEST_POINTS = 3
HARDLY_MOVED = 0.1
SPENT = 0.9
PLAIN_LOSSES = frozenset({"PpoClip"})
LONGEST_DOUBT = 160


@dataclass(frozen=True)
class Checkpoint:
    """Means over one stretch of the training, at its last step; figures as in a row of the trace."""

    step: int
    reward: float
    entropy: float
    quantiles: Quantiles | None
    forking_share: float | None
    covariance: float | None
    clip_fraction: float | None


@dataclass(frozen=True)
class EntropyDiagnosis:
    """What a trace says about entropy; None is what it does not say.

    `doubts` say why the law does not apply, empty where it does. `spent_by` is the step by which nine
    tenths of the drop in entropy were spent, None where entropy did not fall. `touched` maps a control to
    the tokens that it acted on, of `tokens` in all; `inert` are those that touched none, the plain loss
    aside: it is no intervention. Where `averages` are in force, the trace is of the policy that they average,
    not of the average that is scored.
    """

    steps: int
    checkpoints: tuple[Checkpoint, ...]
    law: Law | None
    doubts: tuple[str, ...]
    spent_by: int | None
    tokens: int | None
    touched: Mapping[str, int]
    inert: tuple[str, ...]
    sentence: str
    averages: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The record as JSON values, figures with six significant digits."""
        rounded: dict[str, Any] = _rounded(asdict(self))
        return rounded

    def trailers(self) -> dict[str, str]:
        """What a result commit says of it; of the law only where it applies."""
        total = "" if self.tokens is None else f" of {self.tokens}"
        counts = [
            f"{name} {count}{total}{' (inert)' if name in self.inert else ''}"
            for name, count in self.touched.items()
        ]
        trailers = {"Diagnosis": self.sentence}
        if counts:
            trailers["Tokens-Touched"] = ", ".join(counts)
        if self.law is not None and not self.doubts:
            constants = {"A": self.law.a, "B": self.law.b, "R2": self.law.r_squared}
            trailers |= {f"Law-{name}": f"{value:.3g}" for name, value in constants.items()}
        return trailers


def diagnose(rows: Sequence[TraceRow], holders: Collection[str] = ()) -> EntropyDiagnosis:
    """The diagnosis of a trace; any rows have one, none included.

    `holders` are the controls in the code that hold entropy or KL. The law was found without them: one
    that is not known to be inert makes it say nothing.
    """
    points = blocks(rows, LAW_POINTS)
    checkpoints = tuple(_checkpoint(row) for row in blocks(rows, CHECKPOINTS))
    touched = _touched(rows)
    inert = tuple(name for name, count in touched.items() if not count and name not in PLAIN_LOSSES)
    course = _course(points, checkpoints)
    holding = " and ".join(name for name in sorted(holders) if name not in inert)
    law, doubts = _law(points, checkpoints[-1].entropy if checkpoints else 0.0, holding)
    if course is not None and course.direction == "held":
        doubts = ("entropy hardly moved", *doubts)
    known = [row.tokens for row in rows if row.tokens is not None]
    return EntropyDiagnosis(
        steps=len(rows),
        checkpoints=checkpoints,
        law=law,
        doubts=doubts,
        spent_by=course.spent_by if course else None,
        tokens=sum(known) if known else None,
        touched=touched,
        inert=inert,
        sentence=sentence_of(len(rows), course, None if doubts else law, doubts, inert),
    )


def _checkpoint(row: TraceRow) -> Checkpoint:
    return Checkpoint(
        row.step,
        row.reward,
        row.entropy,
        row.quantiles,
        row.forking_share,
        row.covariance,
        row.clip_fraction,
    )


def _touched(rows: Sequence[TraceRow]) -> dict[str, int]:
    """Tokens over all steps, of at most as many controls as one row may name."""
    found: dict[str, float] = {}
    for row in rows:
        for name, tokens in row.touched.items():
            if name in found or len(found) < MOST_CONTROLS:
                found[name] = found.get(name, 0.0) + tokens
    return {name: math.ceil(found[name]) for name in sorted(found)}


def _course(points: Sequence[TraceRow], checkpoints: Sequence[Checkpoint]) -> Course | None:
    """How entropy went; None where there are too few points to say."""
    if len(points) < FEWEST_POINTS:
        return None
    start, end = points[0].entropy, checkpoints[-1].entropy
    drop = start - end
    direction: Direction = "held"
    if abs(drop) > HARDLY_MOVED * abs(start):
        direction = "fell" if drop > 0 else "rose"
    spent = None
    if direction == "fell":
        spent = next((point for point in points if point.entropy <= start - SPENT * drop), points[-1])
    return Course(
        direction=direction,
        entropy=(start, end),
        reward=(checkpoints[0].reward, checkpoints[-1].reward),
        first_step=points[0].step,
        last_step=points[-1].step,
        spent_by=None if spent is None else spent.step,
    )


def _law(points: Sequence[TraceRow], end: float, holding: str) -> tuple[Law | None, tuple[str, ...]]:
    """The law of the training reward, and why it does not apply."""
    from evaluators.entropy_law import fit_entropy_law, reasons_to_doubt

    try:
        fit = fit_entropy_law([p.entropy for p in points], [p.reward for p in points])
        law = Law(
            fit.a,
            fit.b,
            fit.r_squared,
            fit.ceiling,
            fit.ceiling_interval(),
            fit.left_to_buy(end),
            fit.left_interval(end),
        )
    except (ValueError, ArithmeticError) as error:
        return None, (str(error)[:LONGEST_DOUBT],)
    figures = (law.a, law.b, law.r_squared, law.left_to_buy, *law.ceiling_interval, *law.left_interval)
    if not all(map(math.isfinite, figures)):
        return None, ("its figures are not finite",)
    doubts = reasons_to_doubt(fit, intervention=holding or None)
    return law, tuple(doubt[:LONGEST_DOUBT] for doubt in doubts)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value
