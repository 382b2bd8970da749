"""Asking a researcher, without waiting for its answer once the run is stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait

from agent.failures import Cancelled
from agent.proposal import Proposal


def unless_stopped(ask: Callable[[], Proposal], stopping: threading.Event) -> Proposal:
    """What a researcher answers; one that still thinks when the run is stopped is left behind.

    Raises:
        Cancelled: the run is being stopped.
        Whatever `ask` raises.
    """
    answer: Future[Proposal] = Future()

    def think() -> None:
        try:
            answer.set_result(ask())
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that asked
            answer.set_exception(error)

    threading.Thread(target=think, name="researcher", daemon=True).start()
    while not wait([answer], timeout=0.1).done:
        if stopping.is_set():
            raise Cancelled("The run is being stopped.")
    return answer.result()
