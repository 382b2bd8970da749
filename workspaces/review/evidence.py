"""The evidence of a verdict for a terminal: each seed's paired difference, and what their mean had to pass.

Owns the block and its small plot; every figure comes from the trailers of the result commit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from workspaces.review.text import places, signed, span

_WIDTH = 41
_PAIR = re.compile(r"(\d+): ([+-]\d+(?:\.\d+)?)")


def seed_changes(trailers: Mapping[str, str]) -> list[tuple[int, float]]:
    """(seed, paired difference to the comparator) of every evidence seed, in the order of the looks."""
    return [(int(seed), float(change)) for seed, change in _PAIR.findall(trailers.get("Seed-Changes", ""))]


def block(
    trailers: Mapping[str, str], change: float | None, interval: tuple[float, float] | None
) -> list[str]:
    """Lines of text: a row a seed, the mean with its interval, and the test; empty without evidence seeds."""
    changes = seed_changes(trailers)
    if not changes:
        return []
    reach = max(abs(value) for _, value in changes)
    if interval is not None:
        reach = max(reach, *map(abs, interval))
    decimals = places(reach) if reach else 3
    rows = [
        f"{f'seed {seed}':>9}  {value:+.{decimals}f}  {_row(value, None, reach)}" for seed, value in changes
    ]
    if change is not None and len(changes) > 1:
        rows.append(f"{'mean':>9}  {change:+.{decimals}f}  {_row(change, interval, reach)}")
    axis = f"{-reach:+.{decimals}f}"
    rows.append(f"{'':>9}  {'':{len(axis)}}  {axis}{f'{reach:+.{decimals}f}':>{_WIDTH - len(axis)}}")
    return [*rows, *_test(trailers, change, interval)]


def _test(
    trailers: Mapping[str, str], change: float | None, interval: tuple[float, float] | None
) -> list[str]:
    lines = []
    if interval is not None:
        lines.append(f"change {signed(change)}, 95% interval {span(interval)} over seeds, paired")
    if "P-Value" in trailers:
        lines.append(
            f"one-sided p = {trailers['P-Value']}; this look's threshold was {trailers['Threshold']}, out of "
            f"alpha = {trailers['Alpha-Spent']} that this attempt could spend"
        )
    elif "Alpha-Spent" in trailers:
        lines.append(f"decided before a test was due; alpha that it could spend: {trailers['Alpha-Spent']}")
    if "Guards" in trailers:
        lines.append(f"guards against the baseline: {trailers['Guards']}")
    return lines


def _row(value: float, interval: tuple[float, float] | None, reach: float) -> str:
    cells = [" "] * _WIDTH
    cells[_WIDTH // 2] = "|"
    if interval is not None:
        low, high = (_cell(bound, reach) for bound in interval)
        cells[low : high + 1] = ["-" if cell == " " else cell for cell in cells[low : high + 1]]
        cells[low], cells[high] = "[", "]"
    cells[_cell(value, reach)] = "o"
    return "".join(cells).rstrip()


def _cell(value: float, reach: float) -> int:
    share = value / reach if reach else 0.0
    return round((1.0 + min(max(share, -1.0), 1.0)) / 2.0 * (_WIDTH - 1))
