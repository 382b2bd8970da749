"""What runs on this machine and what it has used: one reading of /proc.

Owns the reading and the searches in it; it signals nothing.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Process:
    """One process. `cpu_seconds` includes children that ended and were waited for; `resident` is in bytes."""

    number: int
    parent: int
    cpu_seconds: float
    resident: int


def read_table() -> dict[int, Process]:
    """Every process that we may see, by number."""
    table = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        table[int(name)] = Process(
            number=int(name),
            parent=int(fields[1]),
            cpu_seconds=sum(map(int, fields[11:15])) / TICKS,
            resident=int(fields[21]) * PAGE,
        )
    return table


def descendants(table: Mapping[int, Process], roots: Iterable[int]) -> list[Process]:
    """The processes below `roots`, without these, parents before children."""
    children: dict[int, list[Process]] = {}
    for process in table.values():
        children.setdefault(process.parent, []).append(process)
    found: list[Process] = []
    seen = set(roots)
    waiting = list(seen)
    while waiting:
        for child in children.get(waiting.pop(), ()):
            if child.number not in seen:
                seen.add(child.number)
                found.append(child)
                waiting.append(child.number)
    return found


def open_unlinked(number: int, disk: int) -> int:
    """Bytes on a disk in files that a process has open and that have no name any more."""
    total = 0
    try:
        files = os.listdir(f"/proc/{number}/fd")
    except OSError:
        return 0
    for name in files:
        with suppress(OSError):
            found = os.stat(f"/proc/{number}/fd/{name}")
            if found.st_nlink == 0 and found.st_dev == disk and stat.S_ISREG(found.st_mode):
                total += 512 * found.st_blocks
    return total


def carrying(variable: str, value: str) -> list[int]:
    """The living processes that were started with `variable` set to `value`."""
    wanted = f"{variable}={value}".encode()
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                if wanted in file.read().split(b"\0"):
                    found.append(int(name))
        except OSError:
            continue
    return found
