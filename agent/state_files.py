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

from environments.base import SzilardError


def write_json(path: Path, data: Any) -> None:
    """Write under a temporary name, then rename."""
    temporary = path.with_name(f"{path.name}.{threading.get_ident()}.tmp")
    temporary.write_text(json.dumps(data, indent=1) + "\n")
    os.replace(temporary, path)


def read_json(path: Path) -> dict[str, Any]:
    """What `write_json` wrote.

    Raises:
        SzilardError: the file is damaged.
    """
    try:
        data = json.loads(path.read_text())
    except ValueError as error:
        raise SzilardError(
            f"{path} is damaged ({error}). Delete it, then resume: it is made anew."
        ) from error
    if not isinstance(data, dict):
        raise SzilardError(
            f"{path} is damaged (it holds no object). Delete it, then resume: it is made anew."
        )
    return data


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
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        return self._earlier + time.monotonic() - self._started

    def save(self) -> None:
        write_json(self.path, {"seconds": self.seconds})
