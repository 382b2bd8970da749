"""Threads that train side by side, one work tree each; the first error stops all of them.

Owns the work trees and the stopping; what is done in one is the caller's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TypeVar

from agent.failures import Cancelled
from agent.measure import Measurer
from agent.opening import Interrupted
from workspaces.workspace import Workspace

Item = TypeVar("Item")


class Workers:
    """As many workers as there are work trees; `stopping` is set once the work is to end."""

    def __init__(self, directory: Path, measurer: Measurer) -> None:
        self.stopping = threading.Event()
        self._measurer = measurer
        self._free = [
            Workspace(measurer.ledger, directory / "worktrees" / str(slot))
            for slot in range(measurer.settings.workers)
        ]

    def each(self, work: Callable[[Item, Workspace], None], items: Sequence[Item]) -> None:
        """`work(item, workspace)` over all items, in their order as far as there is a worker.

        Raises:
            Interrupted: stopped by Ctrl-C or SIGTERM.
            Whatever `work` raises first.
        """
        free = list(self._free)
        lock = threading.Lock()

        def one(item: Item) -> None:
            if self.stopping.is_set():
                return
            with lock:
                workspace = free.pop()
            try:
                work(item, workspace)
            finally:
                with lock:
                    free.append(workspace)

        with ThreadPoolExecutor(len(free)) as pool:
            futures = [pool.submit(one, item) for item in items]
            try:
                _await(futures)
            except BaseException:
                self.stopping.set()
                self._measurer.scorer.close()
                self._measurer.trainer.executor.close()
                raise


def _await(futures: Sequence[Future[None]]) -> None:
    try:
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()
    except (KeyboardInterrupt, Cancelled):
        raise Interrupted("Stopped.") from None
