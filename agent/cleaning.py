"""What a run no longer needs, found and deleted.

Owns which files those are. Commits, measurements, traces, conversations, diagnoses and whatever an unfinished
attempt has left stay; so do the policies of the incumbent and of the confirmed winner.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from agent import fsck
from agent.dispatch import CHECKPOINTS
from agent.measure import TRAININGS
from agent.opening import REPOSITORY
from agent.ownership import is_running
from agent.settings import RunSettings
from environments.base import Split, SzilardError
from workspaces.folders import delete_folder
from workspaces.git_command import GitCommand
from workspaces.ledger import Ledger

POLICIES = ("out/policy", "out/snapshot-*", "snapshot-*")
LOGS = ("stdout.log", "stderr.log")
OBJECTS = ("pack-refs --all", "repack -a -d -q", "prune --expire=now")


class NotClean(SzilardError):
    """The run does not agree with itself, so nothing may be deleted."""


@dataclass(frozen=True)
class Freed:
    """What was freed of one kind, or would be; None where only doing it tells."""

    kind: str
    files: int | None
    bytes: int | None


@dataclass(frozen=True)
class _Run:
    directory: Path
    settings: RunSettings
    ledger: Ledger | None

    def undecided(self, folder: Path) -> bool:
        """Whether RUN/attempts/0007 is of an attempt whose verdict is open."""
        number = int(folder.name)
        record = self.ledger.attempt(number) if self.ledger is not None else None
        return self.ledger is None or (number > 0 and (record is None or record.result_commit is None))

    def verdict(self, number: int) -> str | None:
        record = self.ledger.attempt(number) if self.ledger is not None else None
        return None if record is None else record.verdict

    @property
    def incumbent(self) -> int:
        if self.ledger is None:
            return 0
        held = self.ledger.incumbent()
        return next((one.number for one in self.ledger.attempts() if one.result_commit == held), 0)


def clean(directory: Path, *, logs: bool, dry_run: bool) -> list[Freed]:
    """Delete what the run no longer needs, kind by kind; with `dry_run` only say what that would be.

    The caller owns the run.

    Raises:
        NotClean: `fsck` finds a fault: what mends it may be among what would be deleted.
        SzilardError: the directory holds no run, or something of it cannot be deleted.
    """
    indexed = _weigh(_index(directory))
    faults = [found.name for found in fsck.check(directory) if not found.holds]
    if faults:
        raise NotClean(
            f"{directory} does not agree with itself ({', '.join(faults)}), so nothing was deleted. "
            f"`szilard fsck {directory}` says what mends it; then clean."
        )
    settings = RunSettings.read(directory)
    repository = directory / REPOSITORY
    run = _Run(directory, settings, Ledger.open(repository) if repository.exists() else None)
    kinds: dict[str, Callable[[_Run], Iterator[Path]]] = {
        "policies": _policies,
        "work trees": _work_trees,
        "unfinished files": _unfinished,
    }
    if logs:
        kinds["logs"] = _logs
    freed = [_freed(run, kind, list(found(run)), dry_run=dry_run) for kind, found in kinds.items()]
    return [*freed, _checkpoints(directory, indexed, dry_run=dry_run), _objects(repository, dry_run=dry_run)]


def _freed(run: _Run, kind: str, paths: Sequence[Path], *, dry_run: bool) -> Freed:
    files, size = _weigh(paths)
    if not dry_run:
        for path in paths:
            delete_folder(path)
    return Freed(kind, files, size)


def _weigh(paths: Sequence[Path]) -> tuple[int, int]:
    """How many files there are at and below these paths, and their bytes; no link is followed."""
    files = [
        Path(folder, name)
        for path in paths
        if path.is_dir() and not path.is_symlink()
        for folder, _, names in os.walk(path)
        for name in names
    ] + [path for path in paths if path.is_symlink() or not path.is_dir()]
    sizes = [file.lstat().st_size for file in files if file.is_symlink() or file.exists()]
    return len(sizes), sum(sizes)


def _trainings(run: _Run) -> Iterator[Path]:
    """The folder of every training that no undecided attempt has made."""
    for folder in sorted((run.directory / "attempts").glob("[0-9]" * 4)):
        if not run.undecided(folder):
            yield from folder.glob(f"{Split.SELECTION}-*")
    for place, split in (("confirmation", "*"), ("ablation", Split.SELECTION)):
        yield from sorted((run.directory / place).glob(f"*/{split}-*"))
    yield from (
        path for path in sorted((run.directory / "replays").glob("*/*-*")) if _is_left(path.parent.name)
    )


def _policies(run: _Run) -> Iterator[Path]:
    """Policies that can no longer win: a commit and a seed bring them back."""
    if run.settings.keep_policies:
        return
    incumbent = run.incumbent
    kept = {f"{incumbent:04d}", f"attempt-{incumbent}"} if incumbent else set()
    for training in _trainings(run):
        if training.is_symlink():
            continue
        if training.parent.name not in kept and _is_measured(run, training):
            for pattern in POLICIES:
                yield from sorted(training.glob(pattern))


def _is_measured(run: _Run, training: Path) -> bool:
    """Whether nobody will ask for the score of what a training left."""
    if training.parent.parent.name in ("attempts", "replays"):
        return training.parent.name != "0000" or (run.directory / "baseline.json").exists()
    return (run.directory / f"{training.parent.parent.name}.json").exists()


def _logs(run: _Run) -> Iterator[Path]:
    """What trainings printed, but for crashes, whose last words `szilard show` prints."""
    for training in _trainings(run):
        place, name = training.parent.parent.name, training.parent.name
        if place != "attempts" or run.verdict(int(name)) != "crashed":
            yield from (training / log for log in LOGS if (training / log).exists())


def _work_trees(run: _Run) -> Iterator[Path]:
    """The pool of work trees and git's notes of them, made anew when one is needed.

    A replay that is under way keeps its own.
    """
    notes = {
        Path(note.read_text().strip()).parent: note.parent
        for note in (run.directory / REPOSITORY / ".git" / "worktrees").glob("*/gitdir")
    }
    for path in sorted((run.directory / "worktrees").glob("*")):
        if _is_left(path.name):
            yield path
            if path.absolute() in notes:
                yield notes[path.absolute()]


def _is_left(name: str) -> bool:
    """Whether a folder named after a process is left behind, as one of no process is."""
    _, dash, process = name.rpartition("-")
    return not (dash and process.isdigit() and is_running(int(process)))


def _unfinished(run: _Run) -> Iterator[Path]:
    """What a kill left, but for what `owned` sweeps, and checkpoints that were set aside as damaged."""
    yield from sorted(run.directory.glob(".*.tmp"))
    yield from sorted(run.directory.glob("*.damaged"))
    yield from sorted((run.directory / TRAININGS).glob("*"))


def _index(directory: Path) -> list[Path]:
    """The files of the checkpoint database."""
    path = directory / CHECKPOINTS
    parts = (path, *(path.with_name(path.name + suffix) for suffix in ("-wal", "-shm")))
    return [part for part in parts if part.exists()]


def _checkpoints(directory: Path, before: tuple[int, int], *, dry_run: bool) -> Freed:
    """The pages that finished threads left in the database; all of it where no thread is left.

    `before` are its files and bytes before anybody looked: looking makes a file.
    """
    if not _index(directory):
        return Freed("checkpoints", 0, 0)
    with closing(sqlite3.connect(directory / CHECKPOINTS, timeout=30)) as database:
        threads = database.execute("SELECT COUNT(DISTINCT thread_id) FROM checkpoints").fetchone()[0]
        if threads and not dry_run:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            database.execute("VACUUM")
    if dry_run:
        return Freed("checkpoints", *((None, None) if threads else before))
    if not threads:
        for part in _index(directory):
            part.unlink()
    files, size = _weigh(_index(directory))
    return Freed("checkpoints", before[0] - files, before[1] - size)


def _objects(repository: Path, *, dry_run: bool) -> Freed:
    """Loose git objects, packed; those that no ref, work tree or reflog leads to are superseded evidence."""
    kind, folder = "git objects", repository.absolute() / ".git"
    if not folder.exists():
        return Freed(kind, 0, 0)
    git = GitCommand(folder)
    counted = dict(line.split(": ") for line in git.text("count-objects", "-v").splitlines())
    if counted["count"] == "0" and int(counted["packs"]) < 2:
        return Freed(kind, 0, 0)
    if dry_run:
        return Freed(kind, None, None)
    files, size = _weigh([folder])
    for command in OBJECTS:
        git.run(*command.split())
    left, rest = _weigh([folder])
    return Freed(kind, files - left, size - rest)
