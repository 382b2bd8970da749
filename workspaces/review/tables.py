"""A table on a terminal: every column as broad as it needs, and the last one cut to what is left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_GAP = 2
_LEAST = 16


def print_table(out: Console, header: Sequence[str], rows: Sequence[Sequence[Text]]) -> None:
    """Print rows under their header, one a line; a column called "#" is flush right."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for name in header:
        table.add_column(name, no_wrap=True, justify="right" if name == "#" else "left")
    last = len(header) - 1
    taken = sum(
        _GAP + max(len(header[index]), *(row[index].cell_len for row in rows)) for index in range(last)
    )
    for row in rows:
        row[last].truncate(max(out.width - taken, _LEAST), overflow="ellipsis")
        table.add_row(*row)
    out.print(table)
