"""What an attack is told of its targets, and how it says what it got."""

import ctypes
import os
import platform
from collections.abc import Callable
from typing import Any

Target = dict[str, Any]
Attacks = dict[str, Callable[[Target], object]]

libc = ctypes.CDLL(None, use_errno=True)
ROOT = os.environ["SZILARD_ROOT"]

_X86_64 = platform.machine() == "x86_64"
NUMBERS = {
    "add_key": 248 if _X86_64 else 217,
    "keyctl": 250 if _X86_64 else 219,
    "perf_event_open": 298 if _X86_64 else 241,
    "bpf": 321 if _X86_64 else 280,
    "userfaultfd": 323 if _X86_64 else 282,
    "io_uring_setup": 425,
    "pidfd_open": 434,
    "clone3": 435,
    "pidfd_getfd": 438,
}


def call(result: Any) -> int:
    """The result of a call of libc; raises OSError where it failed."""
    if int(result) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return int(result)


def system_call(name: str, *arguments: object) -> int:
    """A system call that libc has no word for; raises OSError where it failed."""
    return call(libc.syscall(NUMBERS[name], *arguments))


def say(action: Callable[[], object]) -> str:
    """What `action` returned, or why it failed."""
    try:
        return f"got {action()}"
    except OSError as error:
        return f"{type(error).__name__}: {error.strerror}"
