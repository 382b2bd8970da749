"""What a person or a program sees of a run that is under way.

Owns the three views (live table, plain lines, JSON lines). A view never ends a run: when its reader goes
away, it falls silent.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from agent.cli import EXIT_INTERRUPTED
from agent.events import Event, Message, Progress
from workspaces.plain_text import clean, one_line
from workspaces.review.log import STYLES
from workspaces.review.text import duration, figure, finite, signed

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

    from agent.run import RunSummary

_ROWS = 12
_CLOSING = ("confirm", "frontier", "ablate")


def open_view(as_json: bool, earlier: float = 0.0) -> View:
    """The view that fits: JSON lines when asked for, a live table on a terminal, plain lines elsewhere.

    `earlier`: the seconds that a run has taken before, from which its clock goes on.
    """
    if as_json:
        return JsonView(earlier)
    return LiveView(earlier) if sys.stdout.isatty() else View(earlier)


class View:
    """Plain lines with the time since the start; also what the other views are made from."""

    def __init__(self, earlier: float = 0.0) -> None:
        self._lock = threading.Lock()
        self._started = time.monotonic() - earlier
        self._hypotheses: dict[int, str] = {}
        self._last: dict[int, str] = {}
        self._silent = False

    def __enter__(self) -> View:
        return self

    def __exit__(self, *exception: object) -> None:
        return None

    def plan(self, lines: list[str]) -> None:
        """What will be done, before anything is trained."""
        for line in lines:
            self._write(clean(line))

    def note(self, text: str) -> None:
        """One line from the command itself."""
        self._write(clean(text))

    def emit(self, event: dict[str, Any]) -> None:
        """One object on a line of its own."""
        self._write(json.dumps(finite(event), allow_nan=False))

    def observe(self, event: Event) -> None:
        """Take an event; any thread may call."""
        with self._lock:
            if isinstance(event, Message):
                self._write(f"[{self._elapsed()}] {clean(event.text)}")
                return
            line = self._line(event)
            if line is not None and line != self._last.get(event.attempt):
                self._last[event.attempt] = line
                self._write(f"[{self._elapsed()}] {_name(event)}: {line}")

    def interrupted(self, reason: str, directory: Path) -> NoReturn:
        """Say how to go on, and exit."""
        click.echo(f"szilard: {clean(reason)}\nGo on with: szilard resume {directory}", err=True)
        sys.exit(EXIT_INTERRUPTED)

    def summary(self, summary: RunSummary) -> None:
        """The last words of a run."""
        self._write(f"\n{clean(summary.paragraph)}\n\nNext: {clean(summary.next_command)}")

    def _elapsed(self) -> str:
        seconds = int(time.monotonic() - self._started)
        return f"{seconds // 60:3d}:{seconds % 60:02d}"

    def _line(self, event: Progress) -> str | None:
        """The line that an event is worth: a new hypothesis, a measurement, a verdict; else None."""
        if event.verdict is not None and event.attempt > 0:
            outcome = one_line(event.verdict).upper() if event.verdict == "kept" else one_line(event.verdict)
            change = "" if event.change is None else f" {signed(event.change)}"
            reason = "" if event.detail is None else f": {one_line(event.detail)}"
            return f"{outcome}{change}{reason}"
        hypothesis = event.hypothesis if event.attempt > 0 else None
        if hypothesis is not None and self._hypotheses.get(event.attempt) != hypothesis:
            self._hypotheses[event.attempt] = hypothesis
            return f"proposed: {one_line(hypothesis)}"
        detail = "" if event.detail is None else f" {one_line(event.detail)}"
        if event.phase in _CLOSING:
            entropy = "" if event.entropy is None else f", entropy {event.entropy:.3f}"
            return None if event.score is None else f"{_score(event)}{entropy}"
        if event.score is not None:
            change = "" if event.change is None else f" ({signed(event.change)})"
            entropy = "" if event.entropy is None else f", entropy {event.entropy:.3f}"
            seconds = "" if event.seconds is None else f", {duration(event.seconds)}"
            what = "measured" if event.phase in ("baseline", "done") else event.phase
            return f"{what}{detail}: {_score(event)}{change}{entropy}{seconds}"
        if detail and event.phase == "baseline":
            return f"{event.phase}{detail}"
        return None

    def _write(self, line: str) -> None:
        if self._silent:
            return
        try:
            click.echo(line)
        except BrokenPipeError:
            self._silent = True
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class JsonView(View):
    """One JSON object a line, the summary last, and nothing else on standard output."""

    def plan(self, lines: list[str]) -> None:
        self.emit({"event": "plan", "lines": lines})

    def note(self, text: str) -> None:
        self.emit({"event": "message", "text": text})

    def observe(self, event: Event) -> None:
        with self._lock:
            kind = "message" if isinstance(event, Message) else "progress"
            self.emit({"event": kind, "time": round(time.monotonic() - self._started, 3), **asdict(event)})

    def interrupted(self, reason: str, directory: Path) -> NoReturn:
        self.emit(
            {"event": "interrupted", "directory": str(directory), "next": f"szilard resume {directory}"}
        )
        super().interrupted(reason, directory)

    def summary(self, summary: RunSummary) -> None:
        self.emit(
            {
                "event": "summary",
                "directory": str(summary.directory),
                "attempts": summary.attempts,
                "verdicts": dict(summary.verdicts),
                "winner": summary.winner,
                "confirmed": summary.confirmed,
                "change": summary.change,
                "interval": summary.interval,
                "above_frontier": summary.above_frontier,
                "paragraph": summary.paragraph,
                "next": summary.next_command,
            }
        )


@dataclass(frozen=True)
class _Row:
    progress: Progress
    received: float

    def seconds(self, now: float) -> float | None:
        if (
            self.progress.seconds is None
            or self.progress.verdict is not None
            or self.progress.phase == "done"
        ):
            return self.progress.seconds
        return self.progress.seconds + now - self.received


class LiveView(View):
    """A table that follows the attempts; messages scroll above it."""

    def __init__(self, earlier: float = 0.0) -> None:
        super().__init__(earlier)
        self._rows: dict[int, _Row] = {}
        self._incumbent = 0
        self._closing = ""
        self._live: Live | None = None

    def __enter__(self) -> LiveView:
        from rich.live import Live

        from workspaces.review.text import console

        self._live = Live(
            get_renderable=self._table, console=console(), refresh_per_second=2, vertical_overflow="crop"
        )
        self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def observe(self, event: Event) -> None:
        if isinstance(event, Message):
            self._write(f"[{self._elapsed()}] {clean(event.text)}")  # draws the table: not under the lock
            return
        with self._lock:
            if event.phase in _CLOSING:
                self._closing = f" · {_name(event)}: {self._line(event)}"
                return
            known, received = self._rows.get(event.attempt), time.monotonic()
            if known is not None:
                received = known.received if event.seconds is None else received
                fresh = {name: value for name, value in asdict(event).items() if value is not None}
                if event.phase != known.progress.phase:
                    fresh.setdefault("detail", None)
                event = replace(known.progress, **fresh)
            self._rows[event.attempt] = _Row(event, received)
            if event.verdict == "kept":
                self._incumbent = event.attempt

    def _table(self) -> RenderableType:
        from rich.table import Table
        from rich.text import Text

        with self._lock:
            rows = dict(self._rows)
            incumbent, closing = self._incumbent, self._closing
        table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
        table.add_column("#", justify="right", no_wrap=True)
        table.add_column("hypothesis", no_wrap=True, overflow="ellipsis", ratio=1)
        for name in ("phase", "time", "score", "change", "entropy", "verdict"):
            table.add_column(name, no_wrap=True, justify="right" if name == "time" else "left")
        shown = sorted(rows)[-_ROWS:]
        if incumbent in rows and incumbent not in shown:
            shown.insert(0, incumbent)
        now = time.monotonic()
        for number in shown:
            row = rows[number]
            progress = row.progress
            verdict = (progress.verdict or "") if number > 0 else ""
            hypothesis = progress.hypothesis or ("the unmodified template" if number == 0 else "")
            mark = "▸ " if number == incumbent else "  "
            phase = (
                progress.phase
                if progress.detail is None
                else f"{progress.phase} {one_line(progress.detail, 24)}"
            )
            table.add_row(
                Text(str(number)),
                Text(mark + one_line(hypothesis), style="bold" if number == incumbent else ""),
                Text("" if verdict else phase),
                Text(duration(row.seconds(now)).replace("-", "")),
                Text("" if progress.score is None else _score(progress)),
                Text("" if progress.change is None else signed(progress.change)),
                Text("" if progress.entropy is None else f"{progress.entropy:.3f}"),
                Text(verdict, style=STYLES.get(verdict, "")),
            )
        held = "the baseline" if incumbent == 0 else f"attempt {incumbent}"
        table.caption = Text(f"{self._elapsed().strip()} · incumbent: {held}{closing}", style="dim")
        table.caption_justify = "left"
        return table

    def _write(self, line: str) -> None:
        if self._live is None:
            super()._write(line)
        else:
            self._live.console.print(line, soft_wrap=True)


def _score(progress: Progress) -> str:
    return figure(progress.score, progress.standard_error, progress.change)


def _name(event: Progress) -> str:
    if event.phase in _CLOSING:
        return event.phase if event.detail is None else f"{event.phase} {one_line(event.detail)}"
    return "baseline" if event.attempt == 0 else f"attempt {event.attempt}"
