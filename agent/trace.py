"""trace.jsonl: how a training spent its entropy, as its own process told it.

Advisory: read for diagnostics and pictures, never for a decision. The writer is code under research,
so a row that is not as expected is passed over.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LONGEST_TRACE = 16 * 2**20
LARGEST_FIGURE = 1e6
MOST_CONTROLS = 16
LONGEST_NAME = 60


@dataclass(frozen=True)
class TraceRow:
    """One step: mean reward, mean token entropy (nats), share of clipped tokens, response tokens trained on.

    `tokens_left` of the budget, whose tokens count when they are drawn. `touched`: control -> tokens that
    it acted on, over all minibatches; a control that cannot say is absent.
    """

    step: int
    reward: float
    entropy: float
    clip_fraction: float | None
    tokens: int | None = None
    tokens_left: int | None = None
    touched: Mapping[str, float] = field(default_factory=dict)


def read_trace(path: Path) -> list[TraceRow]:
    """Every sound row; an empty list where there is no trace."""
    try:
        with path.open("rb") as file:
            lines = file.read(LONGEST_TRACE).decode("utf-8", "replace").splitlines()
    except OSError:
        return []
    rows = []
    for line in lines:
        try:
            raw = json.loads(line)
            clip = raw.get("clip_fraction")
            row = TraceRow(
                int(raw["step"]),
                float(raw["reward_mean"]),
                float(raw["entropy_mean"]),
                None if clip is None else float(clip),
                _count(raw, "tokens"),
                _count(raw, "tokens_left"),
                _touched(raw.get("touched")),
            )
        except (ValueError, ArithmeticError, KeyError, TypeError, AttributeError, RecursionError):
            continue
        figures = (row.reward, row.entropy, row.clip_fraction or 0.0, row.tokens or 0)
        if all(math.isfinite(figure) and abs(figure) <= LARGEST_FIGURE for figure in figures):
            rows.append(row)
    return rows


def _count(raw: dict[str, Any], name: str) -> int | None:
    return None if raw.get(name) is None else int(raw[name])


def _touched(raw: Any) -> dict[str, float]:
    """Counts by control, as far as they are plausible."""
    found: dict[str, float] = {}
    for name, tokens in list(raw.items())[:MOST_CONTROLS] if isinstance(raw, dict) else ():
        if name.isidentifier() and len(name) <= LONGEST_NAME and 0 <= float(tokens) <= LARGEST_FIGURE:
            found[name] = float(tokens)
    return found


def blocks(rows: Sequence[TraceRow], count: int) -> list[TraceRow]:
    """Means over `count` stretches of equal length; fewer where there are fewer rows."""
    count = min(count, len(rows))
    means = []
    for index in range(count):
        part = rows[index * len(rows) // count : (index + 1) * len(rows) // count]
        clips = [row.clip_fraction for row in part if row.clip_fraction is not None]
        means.append(
            TraceRow(
                part[-1].step,
                math.fsum(row.reward for row in part) / len(part),
                math.fsum(row.entropy for row in part) / len(part),
                math.fsum(clips) / len(clips) if clips else None,
            )
        )
    return means


def law_of(rows: Sequence[TraceRow]) -> dict[str, float] | None:
    """R = -a exp(H) + b fitted to the training reward (arXiv 2505.22617); None where it cannot be."""
    from evaluators.entropy_law import fit_entropy_law

    points = blocks(rows, 30)
    try:
        fit = fit_entropy_law([p.entropy for p in points], [p.reward for p in points])
    except (ValueError, ArithmeticError):
        return None
    law = {"a": fit.a, "b": fit.b, "r_squared": fit.r_squared, "ceiling": fit.ceiling}
    return law if all(map(math.isfinite, law.values())) else None


def digest(rows: Sequence[TraceRow]) -> str:
    """Entropy and reward at about eight checkpoints, as text."""
    if not rows:
        return "The training left no trace."
    lines = ["step  mean reward  mean token entropy (nats)  clip fraction"]
    for row in blocks(rows, 8):
        clip = "-" if row.clip_fraction is None else f"{row.clip_fraction:.4f}"
        lines.append(f"{row.step:4d}  {row.reward:.4f}  {row.entropy:.4f}  {clip}")
    law = law_of(rows)
    if law is not None:
        lines.append(
            f"Entropy law of the training reward: R = -{law['a']:.3f} exp(H) + {law['b']:.3f}, "
            f"R2 {law['r_squared']:.2f}, ceiling {law['ceiling']:.3f}."
        )
    return "\n".join(lines)
