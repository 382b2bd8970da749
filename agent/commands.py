"""The commands of a command environment, each in a sandbox of its own: train, run, score.

Owns what each of them sees and what is kept of it. Training gets a private copy of the commit and leaves
artefacts; running gets the same and these; scoring gets the frozen files of the baseline, those that are
hidden from all others, and artefacts that are no code. So what scores never runs beside edited code.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from agent.command_job import command_job
from agent.failures import Cancelled, TrainingFailed, Untrusted, last_lines, raise_failure
from agent.training import Subject, redact_folder
from environments.base import Score, Split, SzilardError, matches
from environments.command.environment import CommandEnvironment
from workspaces.executors.base import Executor, Outcome
from workspaces.folders import delete_folder, entries_of
from workspaces.ledger import Ledger
from workspaces.snapshots import blob_hash

RUN_PRINTED = "run.stdout"
SECONDS = "measured_seconds"


class Commands:
    """Trains, runs and scores by the commands of one environment. Safe from any thread."""

    def __init__(self, environment: CommandEnvironment, ledger: Ledger, executor: Executor) -> None:
        self._environment = environment
        self._ledger = ledger
        self._executor = executor
        self._hidden = {path: hash_of(file) for path, file in environment.hidden_files.items()}

    def keep(self, folder: Path, outcome: Outcome) -> None:
        """Keep the artefacts of a training that has ended, and nothing else that it left.

        Raises:
            TrainingFailed: it failed, or left no artefact.
            DiskFull, Untrusted: as `raise_failure` says.
        """
        try:
            raise_failure(outcome, folder, 0, wrote=True)
        except SzilardError:
            delete_folder(folder / "out")
            raise
        self._keep(folder / "out", folder / "out" / "policy")

    def run(
        self, subject: Subject, folder: Path, outcome: Outcome, place: Path, seed: int
    ) -> dict[str, float]:
        """Run what a training made, if there is a run command. Returns the CPU seconds of the program.

        `place` is an unused folder whose name tells nothing, `seed` one that no training was told.

        Raises:
            TrainingFailed: the command failed.
            Cancelled: the run is being stopped.
        """
        command = self._environment.file.run
        if command is None:
            return {SECONDS: outcome.cpu_seconds}
        try:
            return {SECONDS: self._run(command, subject, folder, place, seed)}
        finally:
            delete_folder(place)

    def score(
        self, subject: Subject, folder: Path, split: Split, seed: int, mark: Mapping[str, float]
    ) -> tuple[Score, str]:
        """What the artefacts of a training score, and a hash of them or, without any, of what it said.

        Raises:
            TrainingFailed: the scoring command failed.
            InvalidPolicy: no number came of it, or one outside the range.
            Untrusted: a protected file is not what it was.
            Cancelled: the run is being stopped.
        """
        environment, kept = self._environment, folder / "out" / "policy"
        command = environment.scoring_command(split)
        if command is None:
            score = environment.read_metric(folder / "stdout.log", kept)
        else:
            printed, output = self._scored(command, subject, folder, kept, seed)
            if environment.file.metric.kind == "seconds":
                score = environment.score_of(mark[SECONDS])
            else:
                score = environment.read_metric(printed, output)
            delete_folder(output)
        return score, _hash_of_all(kept) or hash_of(folder / "stdout.log")

    def _keep(self, output: Path, kept: Path) -> None:
        """Leave nothing of an output but its artefacts, below `kept`. Modes were lost: all may be run."""
        environment, file = self._environment, self._environment.file
        reported = file.metric.file if file.score is None else None
        made = output.with_name("made")
        os.replace(output, made)
        kept.mkdir(parents=True)
        for path, source in _files_below(made):
            if environment.is_artefact(path) or path == reported:
                target = kept / path
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(source, target)
                target.chmod(0o755)
        delete_folder(made)
        there = [path for path, _ in _files_below(kept)]
        for glob in (*file.artefacts, *([reported] if reported is not None else [])):
            if not any(matches(path, (glob,)) for path in there):
                raise TrainingFailed(f"Training ended with exit code 0 but left no {glob}", early=True)

    def _run(self, command: str, subject: Subject, folder: Path, place: Path, seed: int) -> float:
        delete_folder(place)
        kept, tree = folder / "out" / "policy", place / "tree"
        self._copy(subject, subject.commit, tree, lambda path: True)
        for path, source in _files_below(kept):
            _copy_file(source, tree / path)
        outcome = self._wait(f"{subject.folder.name} run", command, tree, place / "out", seed)
        redact_folder(place)
        for name in ("stdout.log", "stderr.log"):
            shutil.copy(place / name, folder / f"run.{name}")
        _raise_unless_well(outcome, place, "Running", early=True)
        for path, source in _files_below(place / "out"):
            if self._environment.is_artefact(path):
                _copy_file(source, kept / path)
        shutil.copy(place / "stdout.log", kept / RUN_PRINTED)
        return outcome.cpu_seconds

    def _scored(
        self, command: str, subject: Subject, folder: Path, kept: Path, seed: int
    ) -> tuple[Path, Path]:
        """Where the scoring command's printed words lie, and the folder that it left."""
        environment, place = self._environment, folder / "scoring"
        delete_folder(place)
        tree = place / "tree"
        self._copy(subject, self._ledger.tags()["baseline"], tree, environment.is_frozen)
        for path, source in environment.hidden_files.items():
            if hash_of(source) != self._hidden[path]:
                raise Untrusted(f"{source} changed while the run went on: put it back, or start a new run")
            _copy_file(source, tree / path)
        for path, source in _files_below(kept):
            if environment.is_for_scoring(path) and not (tree / path).exists():
                _copy_file(source, tree / path)
        name = f"{subject.folder.name} score"
        outcome = self._wait(name, command, tree, place / "out", seed, scores=True)
        delete_folder(tree)
        _raise_unless_well(outcome, place, "Scoring", early=False)
        return place / "stdout.log", place / "out"

    def _copy(self, subject: Subject, commit: str, tree: Path, wanted: Callable[[str], bool]) -> None:
        """The files of a commit below `tree`, each held against the ledger's hash of it."""
        subject.workspace.checkout(commit)
        tree.mkdir(parents=True)
        for path, blob in self._ledger.blobs(commit).items():
            if wanted(path):
                _copy_file(subject.workspace.path / path, tree / path)
                if blob_hash((tree / path).read_bytes()) != blob:
                    raise Untrusted(f"{path} is not what the ledger says after a fresh checkout")

    def _wait(
        self, name: str, command: str, tree: Path, output: Path, seed: int, *, scores: bool = False
    ) -> Outcome:
        job = command_job(self._environment, command, name, tree, output, seed, scores=scores)
        outcome = self._executor.wait(self._executor.submit(job))
        if outcome.cancelled:
            raise Cancelled("The run is being stopped.")
        return outcome


def _raise_unless_well(outcome: Outcome, place: Path, what: str, *, early: bool) -> None:
    if outcome.limit is not None:
        raise TrainingFailed(f"{what} was ended by its limit: {outcome.limit}", early=False)
    if outcome.exit_code != 0:
        last = last_lines(place / "stderr.log")
        told = f"{what} ended with exit code {outcome.exit_code}: {last.splitlines()[-1][:300]}"
        raise TrainingFailed(f"{told}\n{last}", early=early)


def _files_below(folder: Path) -> Iterator[tuple[str, Path]]:
    """Path inside -> plain file, in the order of the paths."""
    found = {
        Path(entry.path).relative_to(folder).as_posix(): Path(entry.path)
        for entry in entries_of(folder)
        if entry.is_file(follow_symlinks=False)
    }
    yield from sorted(found.items())


def _copy_file(source: Path, target: Path) -> None:
    """Raises TrainingFailed where the target cannot be a file: one that training left stands in its way."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    except OSError as error:
        told = f"{target.name} cannot be put where it belongs: {error.strerror}"
        raise TrainingFailed(told, early=False) from error


def hash_of(file: Path) -> str:
    """Of its content. Raises Untrusted where it cannot be read."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise Untrusted(f"{file} cannot be read: {error.strerror}") from error


def _hash_of_all(folder: Path) -> str:
    """A hash of names and contents; empty for no file."""
    digest, there = hashlib.sha256(), False
    for path, file in _files_below(folder):
        digest.update(f"{path}\n{hash_of(file)}\n".encode())
        there = True
    return digest.hexdigest() if there else ""
