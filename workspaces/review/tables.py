"""A table on a terminal: every column as broad as it needs, and the last one cut to what is left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.style import Style
    from rich.text import Text

_GAP = 2
_LEAST = 16


def print_table(out: Console, header: Sequence[str], rows: Sequence[Sequence[Text]]) -> None:
    """Print rows under their header, one a line; a column called "#" is flush right.

    Laid out here, since rich's own table takes a second for a thousand rows.
    """
    from rich.cells import cell_len
    from rich.segment import Segment, Segments

    last = len(header) - 1
    widths = [
        max(cell_len(header[index]), *(cell_len(row[index].plain) for row in rows)) for index in range(last)
    ]
    left = max(out.width - sum(widths) - _GAP * last, _LEAST)
    styles: dict[str, Style | None] = {"": None}
    segments = list[Segment]()

    def line(cells: Sequence[tuple[str, str]]) -> None:
        for index, (text, style) in enumerate(cells):
            if style not in styles:
                styles[style] = out.get_style(style)
            space = " " * (widths[index] - cell_len(text)) if index < last else ""
            shown = f"{space}{text}" if header[index] == "#" else f"{text}{space}"
            segments.append(Segment(shown + " " * _GAP * (index < last), styles[style]))
        segments.append(Segment.line())

    line([(name, "bold") for name in header])
    for row in rows:
        row[last].truncate(left, overflow="ellipsis")
        line([(cell.plain, str(cell.style)) for cell in row])
    out.print(Segments(segments), end="", crop=False)
