"""A table on a terminal: every column as broad as it needs, and the last one cut to what is left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from rich.console import Console
    from rich.style import Style

_GAP = 2
_LEAST = 16


class Cell(NamedTuple):
    """One cell of a table, of text that is clean; `style` is rich's."""

    text: str
    style: str = ""


def _width(text: str) -> int:
    """Columns of a terminal that a text takes."""
    from rich.cells import cell_len

    return len(text) if text.isascii() else cell_len(text)


def print_table(out: Console, header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    """Print rows under their header, one a line; a column called "#" is flush right.

    Laid out here, since rich's own table takes a second for a thousand rows.
    """
    from rich.cells import set_cell_size
    from rich.segment import Segment, Segments

    last = len(header) - 1
    widths = [max(_width(header[index]), *(_width(row[index].text) for row in rows)) for index in range(last)]
    left = max(out.width - sum(widths) - _GAP * last, _LEAST)
    styles: dict[str, Style] = {}
    segments = list[Segment]()

    def line(cells: Sequence[Cell]) -> None:
        begun = ""
        for index, (text, style) in enumerate(cells):
            space = " " * (widths[index] - _width(text)) if index < last else ""
            shown = f"{space}{text}" if header[index] == "#" else f"{text}{space}"
            shown += " " * _GAP * (index < last)
            if not style:
                begun += shown
                continue
            if style not in styles:
                styles[style] = out.get_style(style)
            segments.extend((Segment(begun), Segment(shown, styles[style])))
            begun = ""
        segments.append(Segment(f"{begun}\n"))

    def cut(cell: Cell) -> Cell:
        if _width(cell.text) <= left:
            return cell
        return Cell(set_cell_size(cell.text, left - 1).rstrip() + "…", cell.style)

    line([Cell(name, "bold") for name in header])
    for row in rows:
        line([*row[:last], cut(row[last])])
    out.print(Segments(segments), end="", crop=False)
