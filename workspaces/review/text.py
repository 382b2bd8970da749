"""How figures look to a person: with digits that show the change.

Owns rounding, tables and the console; it reads no run, and cleans no text.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

_WIDTH_OF_A_PIPE = 1000

SELF_REPORTED = "SELF-REPORTED METRIC: the code that is edited prints it about itself, and may be wrong"
WITHOUT_SANDBOX = "NO SANDBOX: THE CODE UNDER RESEARCH RAN WITH YOUR RIGHTS"


def places(value: float, digits: int = 3) -> int:
    """Decimals that show `digits` significant digits of `value`."""
    if value == 0 or not math.isfinite(value):
        return digits
    rounded = f"{abs(value):.{digits - 1}e}"
    return min(10, max(0, digits - 1 - int(rounded.partition("e")[2])))


def times(count: int) -> str:
    """How often, in words."""
    return "once" if count == 1 else f"{count} times"


def signed(change: float | None) -> str:
    """A difference with three significant digits and its sign; "-" where there is none."""
    return "-" if change is None else f"{change:+.{places(change)}f}"


def figure(value: float | None, error: float | None = None, change: float | None = None) -> str:
    """A value with enough digits to show its change or, where that is larger, its standard error."""
    if value is None:
        return "-"
    wanted = [places(change)] if change else []
    if error:
        wanted.append(places(error, 2) + (1 if change else 0))
    decimals = max(4, min(wanted, default=4))
    shown = f"{value:.{decimals}f}"
    return shown if error is None else f"{shown} ± {error:.{decimals}f}"


def span(interval: Sequence[float] | None) -> str:
    """An interval, both ends with as many decimals as the smaller one needs."""
    if interval is None:
        return "-"
    low, high = interval
    decimals = max(places(low), places(high)) if low and high else places(low or high)
    decimals = min(decimals, places(high - low) + 1)
    return f"[{low:+.{decimals}f}, {high:+.{decimals}f}]"


def seed_count(seeds: int | None) -> str:
    """How many seeds were measured, as screening + evidence: only the latter decide."""
    if seeds is None:
        return "-"
    return "1" if seeds == 1 else f"1+{seeds - 1}"


def duration(seconds: float | None) -> str:
    """Seconds as 42 s, 3:07 or 1:02:33; "-" where there are none."""
    if seconds is None or not math.isfinite(seconds):
        return "-"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d}"
    return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"


def finite(value: Any) -> Any:
    """The same data with every NaN and infinity as None: JSON has neither."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return value


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(finite(value), indent=2, allow_nan=False) + "\n")


def console() -> Console:
    """A console that takes no markup from what it prints; without COLUMNS a pipe gets lines of any length."""
    from rich.console import Console

    known = sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit()
    width = None if known else _WIDTH_OF_A_PIPE
    return Console(markup=False, highlight=False, emoji=False, width=width)


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; cells are taken as they are."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def self_reported(settings: Mapping[str, Any]) -> str:
    """The tail of a metric's name where the code under research prints it about itself."""
    return " (self-reported)" if settings.get("self_reported") else ""
