"""Whether a request that failed is made again, and after how long.

Owns the waiting. The client's own retries are switched off: they take no notice of a stream that breaks off,
give up on a Retry-After of some minutes, and say nothing while they wait.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from agent.researchers.completion import CutOff

RETRIES = 4
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 8.0
_WORTH_ANOTHER_TRY = (408, 409, 429)

_Answer = TypeVar("_Answer")


async def patiently(
    ask: Callable[[], Awaitable[_Answer]], seconds: float, told: Callable[[Exception, float], None]
) -> _Answer:
    """Ask up to RETRIES times more where that may help, with growing pauses, or those that the server names.

    `told` hears of each failure and of the seconds until the next try. No pause is begun that would not end
    within `seconds`.

    Raises:
        openai.APIError, CutOff: what the last request failed with.
    """
    import openai

    deadline, failures = time.monotonic() + seconds, 0
    while True:
        try:
            return await ask()
        except (openai.APIError, CutOff) as error:
            pause = _pause(error, failures)
            if failures == RETRIES or pause is None or time.monotonic() + pause >= deadline:
                raise
            told(error, pause)
        failures += 1
        await asyncio.sleep(pause)


def asked_to_wait(error: Exception) -> float | None:
    """The seconds that a server's Retry-After names, as a number or a date; None without one that can be."""
    import openai

    if not isinstance(error, openai.APIStatusError):
        return None
    said = error.response.headers.get("retry-after", "")
    try:
        seconds = float(said)
    except ValueError:
        seconds = _until(said)
    return seconds if 0 <= seconds < math.inf else None


def _pause(error: Exception, failures: int) -> float | None:
    """Seconds to the next try after so many failed before this one; None if there is no use in it."""
    import openai

    own = min(FIRST_PAUSE * 2.0**failures, LONGEST_PAUSE) * random.uniform(0.75, 1.0)
    if not isinstance(error, openai.APIStatusError):
        return own
    status = error.status_code
    if error.code == "insufficient_quota" or not (status in _WORTH_ANOTHER_TRY or status >= 500):
        return None
    asked = asked_to_wait(error)
    return own if asked is None else max(asked, own)


def _until(date: str) -> float:
    """Seconds from now to an HTTP date; NaN if it is none."""
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return math.nan
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
