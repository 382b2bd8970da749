"""run.json as a file, with a checksum that says it is as Szilard wrote it.

Owns the text. What is so written was checked when it was written, so who only shows a run need not check
it again: that takes as long as listing a thousand attempts. An edited file has to be checked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RUN_FILE = "run.json"
CHECKSUM = "checksum"


def text_of(settings: Mapping[str, Any]) -> str:
    """The file's text for settings that were checked."""
    return json.dumps({**settings, CHECKSUM: _checksum(settings)}, indent=2, ensure_ascii=False) + "\n"


def read_as_written(directory: Path) -> dict[str, Any] | None:
    """The settings of a run as plain data; None where the file is missing, damaged or was edited."""
    try:
        settings = json.loads((directory / RUN_FILE).read_text())
        checksum = settings.pop(CHECKSUM)
        return settings if checksum == _checksum(settings) else None
    except (OSError, ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return None


def _checksum(settings: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
