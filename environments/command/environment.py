"""A domain made of a TOML file and a repository that knows nothing of Szilard.

Owns which files are frozen, shown and hidden, what is run, and where the metric stands. Nothing is run here:
the commands run in sandboxes, each in one of its own.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import NoReturn

from environments.base import (
    Environment,
    EnvironmentSpec,
    InvalidEnvironment,
    InvalidPolicy,
    Metric,
    Score,
    Split,
    matches,
)
from environments.command.file import CommandFile, read_command_file
from environments.command.metric import read_number
from environments.command.repository import files_of

READ_CHARACTERS = 256 * 1024
MOST_DATA_FILES = 100_000
CODE_ENDINGS = (".py", ".pyc", ".pyd", ".pth", ".so")
SELF_REPORTED = "self-reported: code that may be edited prints it about itself"
_MEANING = {
    "scored": "printed by the protected scoring command",
    "self-reported": SELF_REPORTED,
    "seconds": "CPU seconds, measured from outside; the protected scoring command checks the work",
}


class CommandEnvironment(Environment):
    """Trained and scored by commands; what training leaves is files, and no policy."""

    def __init__(self, path: Path) -> None:
        """Read the TOML file at `path`.

        Raises:
            InvalidEnvironment: the file, the repository or what it names cannot be used.
        """
        self.path = path.resolve()
        self.file: CommandFile = read_command_file(path)
        self._files = files_of(self.path.parent / self.file.repository)
        for inside, outside in self.data.items():
            if not outside.exists():
                raise InvalidEnvironment(f"{path}: data {inside!r} leads to {outside}, which does not exist.")
        self._require_editable()
        self._require_frozen_scoring()
        self.spec = self._spec()

    @cached_property
    def data(self) -> Mapping[str, Path]:
        """Path in the tree -> file or folder that is bound there read-only."""
        return {inside: (self.path.parent / outside).resolve() for inside, outside in self.file.data.items()}

    @cached_property
    def hidden_files(self) -> Mapping[str, Path]:
        """Files of the repository that no training sees: path -> file."""
        return {path: file for path, file in self._files.items() if self.hides(path)}

    def workspace_template(self) -> Mapping[str, Path]:
        """The files of the repository, but those that are hidden and those that training is to leave."""
        left_out = {*self.hidden_files, *self.file.artefacts}
        return {path: file for path, file in self._files.items() if path not in left_out}

    def hides(self, path: str) -> bool:
        """Whether only scoring sees what lies at this path of the tree, be it a file of it or data."""
        return matches(path, self.file.hidden)

    def is_frozen(self, path: str) -> bool:
        """Whether a path of the tree is the same for every attempt."""
        return matches(path, self.file.protected) or not matches(path, self.file.editable)

    def is_artefact(self, path: str) -> bool:
        """Whether what training left under this path is kept: named, and no file of the tree."""
        return (
            matches(path, self.file.artefacts)
            and path not in self.workspace_template()
            and not matches(path, (*self.file.editable, *self.file.protected, *self.file.hidden))
        )

    def is_for_scoring(self, path: str) -> bool:
        """Whether scoring gets this artefact: what Python would take for a module could score itself."""
        return not path.endswith(CODE_ENDINGS)

    def words(self, command: str, seed: int) -> tuple[str, ...]:
        """The words of a command, with the seed in its place."""
        return tuple(word.replace("{seed}", str(seed)) for word in shlex.split(command))

    def variables(self, seed: int) -> Mapping[str, str]:
        """The environment variable that tells a seed, if there is one."""
        return {self.file.seed: str(seed)} if self.file.seed is not None else {}

    def scoring_command(self, split: Split) -> str | None:
        """What scores or checks on a split; None where the metric is self-reported."""
        if split is Split.CONFIRMATION and self.file.confirm is not None:
            return self.file.confirm
        return self.file.score

    def read_metric(self, printed: Path, folder: Path) -> Score:
        """The score in what a command printed, or wrote into its `folder`.

        Raises:
            InvalidPolicy: there is no such number, or it lies outside the range.
        """
        metric = self.file.metric
        source = folder / metric.file if metric.file is not None else printed
        where = metric.file or "its standard output"
        try:
            with source.open("rb") as file:
                file.seek(max(0, source.stat().st_size - READ_CHARACTERS))
                text = file.read(READ_CHARACTERS).decode("utf-8", "replace")
        except OSError as error:
            raise InvalidPolicy(f"There is no {metric.name}: {where} cannot be read") from error
        value = read_number(text, metric.pattern, metric.key)
        if value is None:
            raise InvalidPolicy(f"There is no {metric.name} in {where}")
        return self.score_of(value)

    def score_of(self, value: float) -> Score:
        """The score that a value of the metric is.

        Raises:
            InvalidPolicy: it lies outside the range.
        """
        metric = self.file.metric
        low, high = metric.range
        if not low <= value <= high:
            raise InvalidPolicy(f"{metric.name} is {value:g}, outside its range {low:g} to {high:g}")
        return Score(metric.name, {metric.name: Metric(value)})

    def starting_policy(self) -> NoReturn:
        raise InvalidEnvironment(f"{self.spec.name} trains no policy that could be started from.")

    def score(self, policy: Path, split: Split, seed: int) -> NoReturn:
        raise InvalidEnvironment(f"{self.spec.name} is scored by commands in a sandbox, not by this process.")

    def _require_editable(self) -> None:
        template = self.workspace_template()
        if all(self.is_frozen(path) for path in template):
            raise InvalidEnvironment(
                f"{self.path}: editable matches no file of {self.path.parent / self.file.repository}, or all "
                "that it matches is protected or hidden; globs are relative to the repository."
            )

    def _require_frozen_scoring(self) -> None:
        for name in ("score", "confirm"):
            command = getattr(self.file, name)
            for word in shlex.split(command) if command is not None else ():
                path = word.removeprefix("./")
                if path in self._files and not self.is_frozen(path):
                    raise InvalidEnvironment(
                        f"{self.path}: `{name}` uses {path}, which is editable: add it to `protected`."
                    )

    def _spec(self) -> EnvironmentSpec:
        file, metric = self.file, self.file.metric
        again = "the same data" if file.confirm is None else "what a scoring command of its own uses"
        return EnvironmentSpec(
            name=file.name,
            version=self._version(),
            description=file.description,
            metric=metric.name,
            metric_meaning=". ".join(filter(None, (metric.meaning, _MEANING[metric.kind]))),
            direction=metric.direction,
            range=metric.range,
            metrics=(metric.name,),
            guards=(),
            editable=file.editable,
            protected=file.protected,
            train_command=tuple(shlex.split(file.train)),
            budget={"seconds": max(1, round(file.time_limit))},
            seconds_per_attempt=file.time_limit,
            seeds=file.seeds,
            minimum_effect=file.minimum_effect,
            trains_policy=False,
            self_reported=metric.kind == "self-reported",
            deterministic=file.deterministic,
            confirmed_on=f"fresh seeds and {again}",
        )

    def _version(self) -> str:
        """Changes with the TOML file, with what scoring alone sees, and with the names and times of data."""
        digest = hashlib.sha256(self.path.read_bytes())
        for name, file in sorted(self.hidden_files.items()):
            digest.update(f"{name}\n".encode() + hashlib.sha256(file.read_bytes()).digest())
        for inside, outside in sorted(self.data.items()):
            for path in _files_below(outside):
                found = path.stat()
                digest.update(f"{inside} {path.name} {found.st_size} {found.st_mtime_ns}\n".encode())
        return digest.hexdigest()[:12]


def _files_below(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    for number, below in enumerate(sorted(path.rglob("*"))):
        if number >= MOST_DATA_FILES:
            return
        if below.is_file():
            yield below
