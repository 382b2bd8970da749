"""Notices that code of this process reaches for the network, and where.

Owns the hook on Python's own audit events; it forbids nothing, and is there until the process ends.
"""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

from environments.blame import innermost

LOCAL_FAMILY = 1
EVENTS = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")

_seen: list[tuple[str, tuple[tuple[str, int | None], ...]]] = []
_watched = False


def watch() -> None:
    """From now on note every connection and every look-up of a name, and forget those before."""
    global _watched
    _seen.clear()
    if not _watched:
        sys.addaudithook(_note)
    _watched = True


def used(file: Path | None) -> str | None:
    """`mydomain.py:12 (socket.connect)`: the first use since this was last asked, if any."""
    if not _seen:
        return None
    event, frames = _seen[0]
    _seen.clear()
    where = innermost(iter(frames), file)
    return f"{where or 'a library'} ({event})"


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event not in EVENTS:
        return
    if getattr(arguments[0], "family", None) == LOCAL_FAMILY:
        return
    frames = traceback.extract_stack()[::-1]
    _seen.append((event, tuple((frame.filename, frame.lineno) for frame in frames)))
