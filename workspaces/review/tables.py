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
    table = [[Cell(name, "bold") for name in header], *rows]
    widths = [[_width(cell.text) for cell in row[:last]] for row in table]
    columns = [max(column) for column in zip(*widths, strict=True)]
    left = max(out.width - sum(columns) - _GAP * last, _LEAST)
    styles: dict[str, Style] = {}
    segments = list[Segment]()

    def line(cells: Sequence[Cell], taken: Sequence[int]) -> None:
        begun = ""
        for index, (text, style) in enumerate(cells):
            shown = text
            if index < last:
                space = " " * (columns[index] - taken[index])
                shown = f"{space}{text}" if header[index] == "#" else f"{text}{space}"
                shown += " " * _GAP
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

    for row, taken in zip(table, widths, strict=True):
        line([*row[:last], cut(row[last])], taken)
    out.print(Segments(segments), end="", crop=False)
