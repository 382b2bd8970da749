"""A coordinator that is killed at a moment that can be named: right before its n-th write of state.

Every change of the disk that Python tells of counts (files opened for writing, renamed, linked, removed;
folders made and removed), every process that is started, git's first of all, and every checkpoint, before and
after it. The product knows nothing of this: it is watched by an audit hook. Coordinators are forked off a
process that has imported everything once.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

PRELOADED = [
    *("agent.run", "agent.cli.run", "agent.cli.resume", "agent.dispatch", "agent.researchers.catalogue"),
    *("workspaces.review.report", "langgraph.graph", "langgraph.checkpoint.sqlite", "git"),
    *("scipy.optimize", "scipy.stats", "matplotlib.figure", "matplotlib.backends.backend_svg", __name__),
]
CHANGES = {"os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "subprocess.Popen", "sqlite3.connect"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHECKPOINTS = ("put", "put_writes", "delete_thread")


def begin(arguments: Sequence[str], log: Path, tally: Path, kill_at: int | None = None) -> BaseProcess:
    """`szilard ARGUMENTS` in a process of its own; how many writes it made stands in `log` at its end."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    process = context.Process(
        target=_coordinate, args=(list(arguments), str(log), str(tally), kill_at), daemon=False
    )
    process.start()
    return process


def _coordinate(arguments: list[str], log: str, tally: str, kill_at: int | None) -> None:
    from agent.cli import main

    os.environ["SZILARD_TALLY"] = tally
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    counter, count = itertools.count(1), 0

    def note() -> None:
        nonlocal count
        count = next(counter)
        if count == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(event: str, details: tuple[Any, ...]) -> None:
        if event in CHANGES or (event == "open" and isinstance(details[2], int) and details[2] & WRITING):
            note()

    _around_checkpoints(note)
    sys.addaudithook(watch)
    try:
        main(arguments)
    finally:
        os.write(output, f"\nwrites {count}\n".encode())


def _around_checkpoints(note: Callable[[], None]) -> None:
    from langgraph.checkpoint.sqlite import SqliteSaver

    for name in CHECKPOINTS:
        method = getattr(SqliteSaver, name)

        def noted(*arguments: Any, method: Callable[..., Any] = method, **more: Any) -> Any:
            note()
            answer = method(*arguments, **more)
            note()
            return answer

        setattr(SqliteSaver, name, wraps(method)(noted))
