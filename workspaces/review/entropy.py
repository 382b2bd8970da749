"""Where entropy went in an attempt, as text: what `szilard show`, the report and a researcher see.

Owns the words and digits of diagnosis.json and of the trailers that repeat its sentence. It reads them as
data that anybody may have edited: what is not a figure is shown as "-".
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workspaces.attempts import AttemptRecord
from workspaces.plain_text import markdown, one_line
from workspaces.review.text import places

DIAGNOSIS_FILE = "diagnosis.json"
_LARGEST_FILE = 2**20
_COLUMNS = ("step", "reward", "entropy", "10%", "50%", "90%", "forking", "covariance", "clipped")
_INERT = re.compile(r"([^\s,]+) 0(?: of \d+)? \(inert\)")
_LONGEST_SENTENCE = 500
LEGEND = (
    "Each line is the mean over an eighth of the training. 10% 50% 90%: quantiles of token entropy, nats; "
    "forking: share of all entropy in the fifth of the tokens that have the most; covariance: of a token's "
    "log-probability and its advantage; clipped: share of tokens; touched: tokens that a control acted on; "
    "ceiling: reward at entropy 0 by the law; left: what is missing to it."
)


def diagnosis_path(run: Path, number: int) -> Path:
    return run / "attempts" / f"{number:04d}" / DIAGNOSIS_FILE


def read_diagnosis(run: Path, number: int) -> Mapping[str, Any] | None:
    """The diagnosis of an attempt, 0 the baseline; None where there is none that can be read."""
    path = diagnosis_path(run, number)
    try:
        if path.stat().st_size > _LARGEST_FILE:
            return None
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def inert_controls(attempt: AttemptRecord) -> list[str]:
    """The controls of an attempt that touched no token."""
    return _INERT.findall(one_line(attempt.trailers.get("Tokens-Touched", "")))


def sentence(data: Mapping[str, Any] | None, trailers: Mapping[str, str]) -> str | None:
    """What the diagnosis says in one sentence, from the result commit where there is one."""
    said = trailers.get("Diagnosis") or (data or {}).get("sentence")
    return one_line(said, _LONGEST_SENTENCE) if isinstance(said, str) and said.strip() else None


def block(data: Mapping[str, Any]) -> list[str]:
    """A diagnosis in lines: checkpoints, law, what was touched. The sentence is not among them."""
    return [*_table(_items(data, "checkpoints")), "", *_law(data), *_touched(data), *_trace(data)]


def section(run: Path, attempts: Sequence[AttemptRecord]) -> str:
    """The part of a report on entropy: the baseline and every attempt that has a diagnosis."""
    parts = []
    for number, trailers in [(0, {}), *((a.number, a.trailers) for a in attempts)]:
        data = read_diagnosis(run, number)
        said = sentence(data, trailers)
        if said is None:
            continue
        name = f"attempt {number}" if number else "baseline"
        text = "\n".join(block(data)).replace("`", "'") if data is not None else ""
        folded = (
            f"\n\n<details><summary>figures</summary>\n\n```text\n{text}\n```\n\n</details>" if text else ""
        )
        of = "".join(f" The {one_line(line)}." for line in _trace(data or {}))
        parts.append(f"**{name.capitalize()}.** {markdown(said + of)}{folded}")
    if not parts:
        return ""
    what = f"As the training of the screening seed told it; rewards are those of the training. {LEGEND}"
    return "## Where entropy went\n\n" + "\n\n".join([what, *parts])


def _table(checkpoints: Sequence[Any]) -> list[str]:
    rows = [_cells(checkpoint) for checkpoint in checkpoints if isinstance(checkpoint, Mapping)]
    if not rows:
        return ["no checkpoints: the training left no trace"]
    columns = [[_number(row[index]) for row in rows] for index in range(len(_COLUMNS))]
    shown = [
        [name, *_column(column, whole=name == "step")] for name, column in zip(_COLUMNS, columns, strict=True)
    ]
    widths = [max(map(len, column)) for column in shown]
    return [
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in zip(*shown, strict=True)
    ]


def _cells(checkpoint: Mapping[str, Any]) -> list[Any]:
    quantiles = checkpoint.get("quantiles")
    three = quantiles if isinstance(quantiles, list) and len(quantiles) == 3 else [None, None, None]
    names = ("step", "reward", "entropy"), ("forking_share", "covariance", "clip_fraction")
    before, after = ([checkpoint.get(name) for name in group] for group in names)
    return [*before, *three, *after]


def _column(values: Sequence[float | None], *, whole: bool) -> list[str]:
    """One column, with the decimals that show three digits of how it varies."""
    known = [value for value in values if value is not None]
    spread = max(known) - min(known) if known else 0.0
    decimals = 0 if whole else min(max(places(spread), 3), 6)
    return ["-" if value is None else f"{value:.{decimals}f}" for value in values]


def _law(data: Mapping[str, Any]) -> list[str]:
    law, doubts = data.get("law"), _items(data, "doubts")
    spent = _number(data.get("spent_by"))
    lines = []
    if isinstance(law, Mapping):
        a, b, fit = (_number(law.get(name)) for name in ("a", "b", "r_squared"))
        slope = None if a is None else -a
        name = "fit" if doubts else "law"
        lines.append(f"{name}       R = {_short(slope)} exp(H) + {_short(b)}, R2 {_short(fit)}")
    if doubts:
        reasons = "; ".join(one_line(doubt, 200) for doubt in doubts if isinstance(doubt, str))
        lines.append(f"no law    {reasons}")
    elif isinstance(law, Mapping):
        lines.append(f"ceiling   {_estimate(law.get('ceiling'), law.get('ceiling_interval'))}")
        lines.append(f"left      {_estimate(law.get('left_to_buy'), law.get('left_interval'), '+')} to buy")
    if spent is not None:
        lines.append(f"spent     90% of the drop in entropy by step {spent:.0f}")
    return lines


def _touched(data: Mapping[str, Any]) -> list[str]:
    touched, total = data.get("touched"), _number(data.get("tokens"))
    inert = _items(data, "inert")
    if not isinstance(touched, Mapping) or not touched:
        return ["touched   not known: no control in force says it"]
    of = "" if total is None else f" of {total:.0f}"
    lines = []
    for name, tokens in sorted(touched.items()):
        count = _number(tokens)
        counted = "inert: touched no token" if name in inert else f"{_whole(count)}{of} tokens"
        lines.append(f"touched   {one_line(name, 60)} {counted}")
    return lines


def _trace(data: Mapping[str, Any]) -> list[str]:
    """What the trace is of, where that is not what was scored."""
    names = " and ".join(one_line(name, 60) for name in _items(data, "averages") if isinstance(name, str))
    return (
        [f"trace     is of the policy in training, not of its average ({names}), which was scored"]
        if names
        else []
    )


def _estimate(value: Any, interval: Any, sign: str = "") -> str:
    number = _number(value)
    if number is None or not isinstance(interval, list) or len(interval) != 2:
        return _short(number)
    low, high = map(_number, interval)
    if low is None or high is None:
        return _short(number)
    decimals = min(max(places(high - low, 2), 3), 6)
    shown = [f"{figure:{sign}.{decimals}f}" for figure in (number, low, high)]
    return f"{shown[0]} (95% interval {shown[1]} to {shown[2]})"


def _items(data: Mapping[str, Any], name: str) -> list[Any]:
    value = data.get(name)
    return value if isinstance(value, list) else []


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e15 and math.isfinite(value) else None


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _whole(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"
