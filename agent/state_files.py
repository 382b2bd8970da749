"""The small JSON files of a run: written under a temporary name and renamed, read with a sentence for damage.

Owns their reading and writing; what they hold belongs to who writes them.
"""

from __future__ import annotations

import json
import math
import os
import threading
import time
from pathlib import Path
from typing import Any

from environments.base import Score, SzilardError

_SAVED_EVERY = 5.0


def write_json(path: Path, data: Any) -> None:
    """Write under a temporary name, then rename."""
    temporary = path.with_name(f"{path.name}.{threading.get_ident()}.tmp")
    try:
        temporary.write_text(json.dumps(data, indent=1) + "\n")
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def read_json(path: Path, *keys: str) -> dict[str, Any]:
    """What `write_json` wrote, with at least these keys.

    Raises:
        SzilardError: the file is missing or damaged.
    """
    try:
        data = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise SzilardError(f"{path} is missing. Resume: it is made anew.") from error
    except ValueError as error:
        raise damaged(path, str(error)) from error
    if not isinstance(data, dict):
        raise damaged(path, "it holds no object")
    missing = [key for key in keys if key not in data]
    if missing:
        raise damaged(path, f"it lacks {', '.join(missing)}")
    return data


def read_score(path: Path) -> Score:
    """A score that was written as JSON.

    Raises:
        SzilardError: the file is missing or damaged.
    """
    data = read_json(path)
    try:
        return Score.from_json(data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise damaged(path, f"it holds no score: {type(error).__name__} {error}") from error


def damaged(path: Path, why: str) -> SzilardError:
    return SzilardError(f"{path} is damaged ({why}). Delete it, then resume: it is made anew.")


def _seconds_in(path: Path) -> float:
    seconds = read_json(path).get("seconds")
    if not isinstance(seconds, int | float) or not 0 <= seconds < math.inf:
        raise SzilardError(
            f"{path} is damaged (no number of seconds). Delete it, then go on: time counts anew."
        )
    return float(seconds)


class Clock:
    """Seconds that a run has taken, over all of its sessions."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._earlier = _seconds_in(path) if path.exists() else 0.0
        self._started = self._saved = time.monotonic()

    @property
    def seconds(self) -> float:
        return self._earlier + time.monotonic() - self._started

    def save(self) -> None:
        write_json(self.path, {"seconds": self.seconds})

    def tick(self) -> None:
        """Save if the last time is a while ago: a kill then loses no more than that."""
        now = time.monotonic()
        if now - self._saved >= _SAVED_EVERY:
            self._saved = now
            self.save()
