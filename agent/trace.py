"""trace.jsonl: what a training told of its own steps, read row by row.

Advisory: read for diagnostics and pictures, never for a decision. The writer is code under research,
so a row that is not as expected is passed over, and a figure that is not is None. What the rows mean
for entropy is said in `diagnosis`.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LONGEST_TRACE = 16 * 2**20
LARGEST_FIGURE = 1e6
LARGEST_COUNT = 1e12
MOST_CONTROLS = 16
LONGEST_NAME = 60
LAW_POINTS = 30

Quantiles = tuple[float, float, float]


@dataclass(frozen=True)
class TraceRow:
    """One step: mean reward, mean token entropy (nats), share of clipped tokens, response tokens trained on.

    `tokens_left` of the budget, whose tokens count when they are drawn. `touched`: control -> tokens that
    it acted on, over all minibatches; a control that cannot say is absent. `quantiles`: the 10, 50 and 90%
    of token entropy (nats). `forking_share`: what the fifth of the tokens with the highest entropy carries
    of all entropy. `covariance`: of log-probability and advantage over tokens, mean.
    """

    step: int
    reward: float
    entropy: float
    clip_fraction: float | None
    tokens: int | None = None
    tokens_left: int | None = None
    touched: Mapping[str, float] = field(default_factory=dict)
    quantiles: Quantiles | None = None
    forking_share: float | None = None
    covariance: float | None = None


def read_trace(path: Path) -> list[TraceRow]:
    """Every row that has a step, a reward and an entropy; an empty list where there is no trace."""
    try:
        with path.open("rb") as file:
            size = min(os.fstat(file.fileno()).st_size, LONGEST_TRACE)
            lines = file.read(size).decode("utf-8", "replace").splitlines()
    except OSError:
        return []
    rows = []
    for line in lines:
        try:
            raw = json.loads(line)
        except (ValueError, RecursionError):
            continue
        row = _row(raw) if isinstance(raw, dict) else None
        if row is not None:
            rows.append(row)
    return rows


def _row(raw: Mapping[str, Any]) -> TraceRow | None:
    step = _count(raw.get("step"))
    reward, entropy = _figure(raw.get("reward_mean")), _figure(raw.get("entropy_mean"))
    if step is None or reward is None or entropy is None:
        return None
    return TraceRow(
        step,
        reward,
        entropy,
        _figure(raw.get("clip_fraction")),
        _count(raw.get("tokens")),
        _count(raw.get("tokens_left")),
        _touched(raw.get("touched")),
        _quantiles(raw.get("entropy_quantiles")),
        _figure(raw.get("forking_share")),
        _figure(raw.get("covariance")),
    )


def _figure(raw: Any, largest: float = LARGEST_FIGURE) -> float | None:
    """A number of plausible size, else None."""
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not -largest <= raw <= largest:
        return None
    return float(raw)


def _count(raw: Any) -> int | None:
    number = _figure(raw, LARGEST_COUNT)
    return None if number is None or number < 0 else int(number)


def _quantiles(raw: Any) -> Quantiles | None:
    """Three figures that do not fall."""
    if not isinstance(raw, list) or len(raw) != 3:
        return None
    low, middle, high = map(_figure, raw)
    if low is None or middle is None or high is None or not low <= middle <= high:
        return None
    return low, middle, high


def _touched(raw: Any) -> dict[str, float]:
    """Counts by control, as far as they are plausible; a name is a short identifier."""
    found: dict[str, float] = {}
    for key, tokens in list(raw.items())[:MOST_CONTROLS] if isinstance(raw, dict) else ():
        name, count = key.strip(), _figure(tokens, LARGEST_COUNT)
        named = name.isidentifier() and name.isprintable() and len(name) <= LONGEST_NAME
        if named and count is not None and count >= 0:
            found[name] = found.get(name, 0.0) + count
    return found


def blocks(rows: Sequence[TraceRow], count: int) -> list[TraceRow]:
    """Means over `count` stretches of equal length, each at its last step; fewer where there are fewer rows.

    A figure that no row of a stretch has is None; counts and `touched` are left out.
    """
    count = min(count, len(rows))
    stretches = (
        rows[index * len(rows) // count : (index + 1) * len(rows) // count] for index in range(count)
    )
    return [_mean_row(part) for part in stretches]


def _mean_row(part: Sequence[TraceRow]) -> TraceRow:
    quantiles = list(zip(*(row.quantiles for row in part if row.quantiles is not None), strict=True))
    return TraceRow(
        part[-1].step,
        math.fsum(row.reward for row in part) / len(part),
        math.fsum(row.entropy for row in part) / len(part),
        _mean(row.clip_fraction for row in part),
        quantiles=_three(quantiles) if quantiles else None,
        forking_share=_mean(row.forking_share for row in part),
        covariance=_mean(row.covariance for row in part),
    )


def _three(columns: Sequence[Sequence[float]]) -> Quantiles:
    low, middle, high = (math.fsum(column) / len(column) for column in columns)
    return low, middle, high


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None


def law_of(rows: Sequence[TraceRow]) -> dict[str, float] | None:
    """R = -a exp(H) + b fitted to the training reward (arXiv 2505.22617); None where it cannot be."""
    from evaluators.entropy_law import fit_entropy_law

    points = blocks(rows, LAW_POINTS)
    try:
        fit = fit_entropy_law([p.entropy for p in points], [p.reward for p in points])
    except (ValueError, ArithmeticError):
        return None
    law = {"a": fit.a, "b": fit.b, "r_squared": fit.r_squared, "ceiling": fit.ceiling}
    return law if all(map(math.isfinite, law.values())) else None
