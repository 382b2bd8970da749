"""The number in what a command printed, or wrote into a file.

Owns the reading of text that anybody may have written; what the number means is for the environment.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

READ_LINES = 4096
LONGEST_LINE = 2000


def read_number(text: str, pattern: str | None, key: str | None) -> float | None:
    """The last number that `pattern` matches or that stands at the dotted `key` of a line of JSON.

    With neither the whole text is the number. None where there is no finite one.
    """
    lines = [line[:LONGEST_LINE] for line in text.splitlines()[-READ_LINES:]]
    if key is not None:
        numbers = (_at(line, key) for line in reversed(lines))
        return next((number for number in numbers if number is not None), None)
    if pattern is None:
        return _as_number(text.strip())
    matched = (re.findall(pattern, line) for line in reversed(lines))
    return next((_as_number(found[-1]) for found in matched if found), None)


def _at(line: str, key: str) -> float | None:
    try:
        found: Any = json.loads(line)
        for part in key.split("."):
            found = found[part]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return None if isinstance(found, bool) or not isinstance(found, int | float) else _as_number(str(found))


def _as_number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
