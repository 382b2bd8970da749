"""Proposals are asked for ahead: while all workers train, threads bring the next attempts to their training.

Owns those threads and the queue behind them. Which attempt comes next, what it may know, and when none comes
any more is the dispatcher's; an attempt that waits here is on disk as any other: a kill loses nothing of it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from agent.failures import Cancelled


class Ahead:
    """The attempts that are ready to be trained, handed out as they were begun. Safe from any thread."""

    def __init__(
        self, begin: Callable[[], int | None], propose: Callable[[int, int], None], at_once: int
    ) -> None:
        """`begin` gives the next attempt, None after the last; `propose`, told which of the `at_once` threads
        it is in and an attempt, brings that to its training.
        """
        self._begin = begin
        self._propose = propose
        self._lock = threading.Lock()
        self._begun = deque[int]()
        self._ready = set[int]()
        self._asking = at_once
        self._error: BaseException | None = None
        self._threads = [
            threading.Thread(target=self._ask, args=(slot,), name=f"ahead-{slot}", daemon=True)
            for slot in range(at_once)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Come back once nothing more is asked; what is being asked stops with the run."""
        for thread in self._threads:
            thread.join()

    def take(self, wait: Callable[[Callable[[], bool]], None]) -> int | None:
        """The next attempt to train, by `wait` where none is ready yet; None where none will be.

        They are handed out in their order: a later one may wait for an earlier one, which needs a worker.

        Raises:
            Whatever `wait` raises, and what ended the asking.
        """
        while True:
            wait(lambda: self._next_is_ready() or self._is_over())
            with self._lock:
                if self._next_is_ready():
                    return self._begun.popleft()
                if self._error is not None:
                    raise self._error
            if self._is_over():
                return None

    def _next_is_ready(self) -> bool:
        return bool(self._begun) and self._begun[0] in self._ready

    def _is_over(self) -> bool:
        return self._error is not None or (not self._asking and not self._begun)

    def _ask(self, slot: int) -> None:
        try:
            while self._error is None and (number := self._next()) is not None:
                self._propose(slot, number)
                self._ready.add(number)
        except Cancelled:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again by whoever takes the next attempt
            self._error = error
        finally:
            with self._lock:
                self._asking -= 1

    def _next(self) -> int | None:
        """Begin an attempt, and note its place among those that wait."""
        number = self._begin()
        if number is not None:
            with self._lock:
                self._begun = deque(sorted((*self._begun, number)))
        return number
