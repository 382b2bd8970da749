"""Looks at the snapshots of a training while it goes on, and ends it where they leave no hope.

Owns the waiting and the copying: a snapshot lies in a folder that untrusted code still writes to. What is
hopeless is for the judge to say.
"""

from __future__ import annotations

import stat
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent.failures import WEIGHTS_FILE
from agent.forecast import updates_of
from environments.base import EnvironmentSpec, InvalidPolicy, Score
from workspaces.folders import copy_plain_files

SNAPSHOT_FILES = ("config.json", WEIGHTS_FILE)
LOOK_AGAIN_SECONDS = 0.1


@dataclass(frozen=True)
class Watch:
    """After how many optimiser updates a training leaves a snapshot, and what is made of each one's score.

    `judge` says why the training is not worth its end, or None.
    """

    updates: tuple[int, ...]
    judge: Callable[[int, Score], str | None]


def snapshots_of(spec: EnvironmentSpec) -> tuple[int, ...]:
    """After how many optimiser updates a training of an environment leaves a snapshot, whatever it is for."""
    return updates_of(spec.budget.get("updates", 0))


class Watcher:
    """Watches one training from a thread of its own; files of more than `most_bytes` are no snapshot's."""

    def __init__(
        self,
        watch: Watch,
        folder: Path,
        most_bytes: int,
        score: Callable[[int, Path], Score | None],
        stop: Callable[[], None],
    ) -> None:
        self._watch = watch
        self._folder = folder
        self._most_bytes = most_bytes
        self._score = score
        self._stop = stop
        self._over = threading.Event()
        self._abandoned = False
        self._reason: str | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._look, name="snapshot-watch", daemon=True)
        self._thread.start()

    def end(self, *, abandon: bool = False) -> str | None:
        """Note that the training is over, and say why it was hopeless, or None.

        What it left is judged to the end, so that the answer never hangs on how fast it was; not if it is
        to be abandoned.

        Raises:
            Whatever scoring a snapshot raised, but for snapshots that are no policy: those say nothing.
        """
        self._abandoned = abandon
        self._over.set()
        self._thread.join()
        if self._failure is not None and not abandon:
            raise self._failure
        return self._reason

    def _look(self) -> None:
        try:
            for updates in self._watch.updates:
                score = self._scored(updates)
                self._reason = self._watch.judge(updates, score) if score is not None else None
                if self._reason is not None:
                    self._stop()
                    return
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            self._failure = error

    def _scored(self, updates: int) -> Score | None:
        left = self._folder / "out" / f"snapshot-{updates}"
        while not _is_folder(left):
            if self._over.wait(LOOK_AGAIN_SECONDS) and not _is_folder(left):
                return None
        copy = self._folder / f"snapshot-{updates}"
        if self._abandoned or not copy_plain_files(left, copy, SNAPSHOT_FILES, self._most_bytes):
            return None
        try:
            return self._score(updates, copy)
        except InvalidPolicy:
            return None


def _is_folder(path: Path) -> bool:
    """Whether a folder lies there and can be reached; a link to one is none."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False
