"""Calls into a control under check: timed, listened to, and every way of failing put into words.

Owns the guard around foreign code; what is right or wrong about an answer is said by the checks.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import torch

Result = TypeVar("Result")

STARTS_PROCESS = {
    *("os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.startfile"),
    *("subprocess.Popen", "pty.spawn", "os.kill", "os.killpg"),
}
CHANGES_FILES = {
    *("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.truncate", "os.chmod", "os.link", "os.symlink"),
    "shutil.rmtree",
}
WAITING = 5
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


class Refused(Exception):
    """What is wrong with a control, and what to change."""


class _TooSlow(BaseException):
    """The alarm of one call; no `except Exception` of a control can catch it."""


class Calls:
    """The way into one control; a call may take `seconds` of CPU, and wait a few times as long."""

    def __init__(self, module: str, seconds: float) -> None:
        self._file = f"{module}.py"
        self._seconds = seconds
        self._armed = False
        self._forbidden: list[str] = []
        sys.addaudithook(self._hear)
        signal.signal(signal.SIGPROF, _ring)
        signal.signal(signal.SIGALRM, _ring)

    def __call__(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """What `function` returns.

        Raises:
            Refused: it raised, took too long, printed, or did what a control must not do.
        """
        said = io.StringIO()
        self._forbidden.clear()
        try:
            with self._listening(said):
                result = function(*arguments)
        except _TooSlow:
            raise Refused(
                f"one call takes more than {self._seconds:g} s: look for a loop or a wait that does not end"
            ) from None
        except BaseException as error:  # noqa: BLE001
            raise Refused(self._forbidden[0] if self._forbidden else self._told(error)) from None
        if self._forbidden:
            raise Refused(self._forbidden[0])
        if said.getvalue():
            line = said.getvalue().strip().splitlines()[:1]
            raise Refused(
                f"it prints ({line[0][:60] if line else 'blank lines'!r}): put figures into the diagnostics"
            )
        return result

    @contextlib.contextmanager
    def _listening(self, said: io.StringIO) -> Iterator[None]:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
        ):
            warnings.simplefilter("ignore")
            signal.setitimer(signal.ITIMER_PROF, self._seconds)
            signal.setitimer(signal.ITIMER_REAL, WAITING * self._seconds)
            self._armed = True
            try:
                yield
            finally:
                self._armed = False
                signal.setitimer(signal.ITIMER_PROF, 0)
                signal.setitimer(signal.ITIMER_REAL, 0)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Note what a control must not do; a hook cannot be taken off again."""
        if not self._armed:
            return
        reason = None
        if event in STARTS_PROCESS:
            reason = f"it starts or signals processes ({event})"
        elif event in CHANGES_FILES or (event == "open" and _writes(arguments)):
            reason = f"it writes files ({event} {str(arguments[0])[:60]!r})"
        elif event.startswith("socket.") and event != "socket.gethostname":
            reason = f"it uses the network ({event})"
        if reason is not None:
            self._forbidden.append(f"{reason}: a control only computes, from what it is given")
            raise PermissionError(reason)

    def _told(self, error: BaseException) -> str:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).name == self._file]
        where = f", line {frames[-1].lineno}" if frames else ""
        sentence = (
            " ".join(str(error).split("\n")[0].split())[:300].rstrip(".") or "it says nothing about itself"
        )
        return f"{type(error).__name__}{where}: {sentence}{_hint(error)}"


def random_states() -> tuple[bytes, int]:
    """Where the global generators stand, of torch and of Python."""
    import random

    return bytes(torch.get_rng_state().tolist()), hash(random.getstate())


def seed_everything(seed: int) -> None:
    import random

    torch.manual_seed(seed)
    random.seed(seed)


def _ring(_: int, __: FrameType | None) -> None:
    raise _TooSlow


def _writes(arguments: tuple[Any, ...]) -> bool:
    path, mode, flags = (*arguments, None, None, None)[:3]
    written = bool(flags & WRITING) if isinstance(flags, int) else False
    return (written or (isinstance(mode, str) and bool(set(mode) & set("wax+")))) and path != os.devnull


def _hint(error: BaseException) -> str:
    text = str(error)
    if "in-place operation" in text or "modified by an inplace operation" in text:
        return (
            "; it edits a tensor of the batch in place: work on a copy, x.clone() or x + y instead of x += y"
        )
    if "backward through the graph a second time" in text or "freed" in text:
        return "; detach what is kept in the state"
    if isinstance(error, TypeError | AttributeError) and re.search(r"NoneType", text):
        return (
            "; batch.reference_logprobs is None unless the class says "
            "`needs_reference: ClassVar[bool] = True`, and the state is None at first"
        )
    return ""
