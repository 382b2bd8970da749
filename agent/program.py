"""A program that proposes: which command, what of the environment it is given, and how long it may take.

Owns the record in run.json and its checking; running it is `researchers.command`'s.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from environments.base import SzilardError
from workspaces.redaction import redacted

USUAL_SECONDS = 600.0


class InvalidProgram(SzilardError):
    """A program that cannot be run as it was asked for."""


class Program(BaseModel):
    """What is run for a proposal. Words that name files or folders are absolute paths."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    command: tuple[str, ...] = Field(min_length=1)
    environment: tuple[str, ...] = Field(default=(), description="variables it is given; values are not kept")
    seconds: float = Field(default=USUAL_SECONDS, gt=0, description="wall time of one call")

    @property
    def told(self) -> str:
        return shlex.join(self.command)

    def values(self, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
        """The variables with their values.

        Raises:
            InvalidProgram: one is not set.
        """
        missing = [name for name in self.environment if name not in environ]
        if missing:
            raise InvalidProgram(f"--researcher-env {missing[0]}: this variable is not set.")
        return {name: environ[name] for name in self.environment}

    @property
    def shown(self) -> dict[int, Path]:
        """Which words are files or folders that a sandbox shows only because they are named."""
        paths = {place: Path(word) for place, word in enumerate(self.command) if word.startswith("/")}
        return {place: path for place, path in paths.items() if path.exists() and not _is_seen(path)}


def program_of(command: str, environment: Sequence[str], network: str, seconds: float) -> Program:
    """Check what was asked of a program.

    Raises:
        InvalidProgram: it cannot be had; the message says why.
    """
    if network != "none":
        raise InvalidProgram(
            f"--researcher-network {network}: no sandbox here can open one endpoint and keep all others "
            "shut, so a program gets no network. For a model behind an endpoint use --model."
        )
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise InvalidProgram(f"--researcher-command cannot be read as a shell would: {error}.") from error
    if not words:
        raise InvalidProgram("--researcher-command is empty: name a program with its arguments.")
    if redacted(command) != command:
        raise InvalidProgram(
            "--researcher-command holds a secret, and the run keeps the command: pass it by --researcher-env."
        )
    _require_program(words[0])
    named = (
        str(Path(word).absolute()) if _is_path(word, place) else word for place, word in enumerate(words)
    )
    program = Program(command=tuple(named), environment=tuple(dict.fromkeys(environment)), seconds=seconds)
    program.values()
    return program


def _require_program(word: str) -> None:
    from workspaces.sandbox.base import PROGRAMS

    if shutil.which(word, path=PROGRAMS) is not None:
        return
    found = shutil.which(word)
    if found is None:
        raise InvalidProgram(f"--researcher-command: there is no program {word!r}.")
    raise InvalidProgram(
        f"--researcher-command: {word} is {found}, which a sandbox does not show unless it is named by its "
        "path; name the folders it needs too."
    )


def _is_path(word: str, place: int) -> bool:
    """Whether a word names a file or folder here; without a slash the first word never does."""
    return Path(word).exists() if "/" in word else place > 0 and Path(word).is_file()


def _is_seen(path: Path) -> bool:
    """Whether a sandbox shows it to any job."""
    from workspaces.sandbox.visible import LINKER, SYSTEM, interpreter_folders

    folders = [Path("/usr"), *map(Path, (*SYSTEM, *LINKER)), *interpreter_folders()]
    return any(path.is_relative_to(folder) for folder in folders)
