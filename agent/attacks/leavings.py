"""Attacks by what a job leaves in its output folder, for whoever reads it outside.

Owns these attacks; the reader is the executor, which leaves plain files alone.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from agent.attacks.jobs import Attempt, attempt, undefended
from workspaces.executors.base import Limits
from workspaces.review.attacks_table import Attacked
from workspaces.sandbox import Sandbox

LOOKS = 200


@dataclass(frozen=True)
class Leaving:
    """Code that leaves something, and whether it is there for a reader outside."""

    name: str
    code: str
    is_there: Callable[[Path], bool]


def _has_link(output: Path) -> bool:
    return any(path.is_symlink() for path in output.rglob("*"))


def _is_setuid(output: Path) -> bool:
    return any(path.lstat().st_mode & (stat.S_ISUID | stat.S_ISGID) for path in output.rglob("*"))


def _is_no_file(output: Path) -> bool:
    return any(not (path.is_file() or path.is_dir()) for path in output.rglob("*"))


def _changes(output: Path) -> bool:
    """Whether a file turns into a link between one look and the next."""
    for _ in range(LOOKS):
        if os.path.islink(output / "policy"):
            return True
        time.sleep(0.001)
    return False


LEAVINGS = (
    Leaving(
        "leave a link to a file of the host", "os.symlink('/etc/passwd', OUT + '/trace.jsonl')", _has_link
    ),
    Leaving("leave a link to a folder of the host", "os.symlink('/', OUT + '/policy')", _has_link),
    Leaving(
        "leave a setuid program",
        "open(OUT + '/program', 'w').close(); os.chmod(OUT + '/program', 0o6755)",
        _is_setuid,
    ),
    Leaving("leave a pipe that no reader leaves", "os.mkfifo(OUT + '/trace.jsonl')", _is_no_file),
    Leaving(
        "swap a checked file before it is used",
        "open(OUT + '/kept', 'w').close(); os.symlink('/etc/passwd', OUT + '/link')\n"
        "if os.fork() == 0:\n    os.setsid()\n    end = time.monotonic() + 20\n"
        "    while time.monotonic() < end:\n"
        "        for name in ('link', 'kept'):\n"
        "            os.link(f'{OUT}/{name}', OUT + '/next', follow_symlinks=False)\n"
        "            os.replace(OUT + '/next', OUT + '/policy')\n"
        "    os._exit(0)\n"
        "time.sleep(0.1)",
        _changes,
    ),
)


def attack(tier: Sandbox) -> Iterator[Attacked]:
    """Every attack of this room on one tier."""
    for leaving in LEAVINGS:
        with attempt() as tried:
            outcome = tried.run(tier, leaving.code, Limits(wall_seconds=20))
            there = leaving.is_there(tried.output)
        said = "it is there" if there else f"removed; exit code {outcome.exit_code}"
        anyway = undefended(leaving.code, partial(_left_it, leaving))
        yield Attacked(leaving.name, "leavings", tier.tier, not there, said, anyway)


def _left_it(leaving: Leaving, bare: Attempt) -> bool:
    return leaving.is_there(bare.output)
