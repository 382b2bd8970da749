"""One process a run: who holds a folder, and what it means to its owner when the disk takes nothing more.

Owns the lock, and the sweeping of what a killed owner left half written; what is done meanwhile is for the
caller.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shlex
import shutil
import socket
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from agent.run_file import RUN_FILE
from environments.base import SzilardError
from workspaces.redaction import redacted
from workspaces.review.record import LOCK_FILE

LEAST_FREE_BYTES = 2**20
_LONGEST_COMMAND = 300
_TRIES, _TRY_AGAIN_SECONDS = 10, 0.05
_HALF_WRITTEN = ("*.tmp", "measurements/*.tmp", "attempts/*/*.tmp", "attempts/*/*/*.tmp")
_FULL = (errno.ENOSPC, errno.EDQUOT)


class HeldElsewhere(SzilardError):
    """Another process works on the folder."""


class CannotWrite(SzilardError):
    """The disk takes nothing more; what was recorded before is safe."""


def is_running(process: int) -> bool:
    """Whether there is a process of this number."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def owned(directory: Path) -> Iterator[None]:
    """Hold a folder alone.

    Raises:
        HeldElsewhere: another process has it; the message says which, where and since when.
        CannotWrite: the disk became full or read-only meanwhile; the message says how to go on.
    """
    try:
        with (directory / LOCK_FILE).open("a+") as file:
            _lock(file, directory)
            file.truncate(0)
            file.write(json.dumps(_holder()))
            file.flush()
            for left in (path for pattern in _HALF_WRITTEN for path in directory.glob(pattern)):
                left.unlink(missing_ok=True)
            yield
    except (OSError, sqlite3.Error, SzilardError) as error:
        unwritable = _unwritable(directory, error)
        if unwritable is None or isinstance(error, HeldElsewhere):
            raise
        state, remedy = unwritable
        again = f"`szilard resume {shlex.quote(str(directory))}`"
        if not (directory / RUN_FILE).exists():
            again = "type the same command again"
        raise CannotWrite(
            f"{directory} cannot be written: its disk is {state}. What was decided so far is safe. "
            f"{remedy}, then {again}. (It said: {error})"
        ) from error


def _lock(file: TextIO, directory: Path) -> None:
    """Whoever reviews a run holds its lock for a moment, so a lock that is held is asked for again."""
    for left in reversed(range(_TRIES)):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if not left:
                file.seek(0)
                raise HeldElsewhere(_told(file.read(), directory)) from None
            time.sleep(_TRY_AGAIN_SECONDS)


def _holder() -> dict[str, Any]:
    return {
        "process": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": redacted(shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]))[:_LONGEST_COMMAND],
    }


def _told(holder: str, directory: Path) -> str:
    """Who holds a folder, by what its lock says."""
    try:
        found = json.loads(holder)
        process, host, since, command = (found[key] for key in ("process", "host", "since", "command"))
    except (ValueError, KeyError, TypeError):
        return (
            f"{directory} is being worked on by another process {holder.strip() or '(unknown)'}: wait for it."
        )
    here = socket.gethostname()
    where = "" if host == here else f" there, on {host}"
    return (
        f"{directory} is being worked on by process {process} on {host} since {since} (`{command}`). "
        f"Wait for it, or stop it{where} with `kill {process}`; what it has finished is kept."
    )


def _unwritable(directory: Path, error: Exception) -> tuple[str, str] | None:
    """What the disk is, and its remedy, where that is why nothing can be written; else None."""
    number, name = getattr(error, "errno", None), getattr(error, "sqlite_errorname", "")
    try:
        read_only = bool(os.statvfs(directory).f_flag & os.ST_RDONLY)
        free = shutil.disk_usage(directory).free
    except OSError:
        return None
    if number == errno.EROFS or name.startswith("SQLITE_READONLY") or read_only:
        return "read-only", "Mount it writable"
    if number in _FULL or name == "SQLITE_FULL" or free < LEAST_FREE_BYTES:
        return "full", "Free some space"
    return None
