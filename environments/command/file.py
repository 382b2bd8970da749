"""The TOML file of a command environment: its keys, what they may say, and where in the file one is wrong.

Owns the format and its messages; it looks at no repository and runs nothing.
"""

from __future__ import annotations

import difflib
import re
import shlex
import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from environments.base import InvalidEnvironment

FORMAT = 1
Kind = Literal["scored", "self-reported", "seconds"]


class InvalidCommandFile(InvalidEnvironment):
    """A TOML file that is none of a command environment; the message names file, line and remedy."""


class MetricTable(BaseModel):
    """`[metric]`: what is optimised, who says it, and how it is read.

    `scored`: the protected scoring command prints it. `self-reported`: the train command prints it, which is
    code that may be edited. `seconds`: CPU seconds of the run command (of the train command where there is
    none), measured from outside; the scoring command checks that its work is right.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=60, pattern=r"^[A-Za-z][A-Za-z0-9_.@-]*$")
    kind: Kind = "scored"
    direction: Literal["maximise", "minimise"]
    range: tuple[float, float]
    pattern: str | None = Field(
        default=None, description="regular expression with one group; last match counts"
    )
    key: str | None = Field(default=None, description="key of the last JSON object, dots go deeper")
    file: str | None = Field(
        default=None, description="file that the command writes; else its standard output"
    )
    meaning: str = ""

    @field_validator("range")
    @classmethod
    def _finite(cls, given: tuple[float, float]) -> tuple[float, float]:
        low, high = given
        if not -1e300 < low < high < 1e300:
            raise ValueError("give two finite numbers, the lower one first, such as [0.0, 1.0]")
        return given

    @field_validator("file")
    @classmethod
    def _file_inside(cls, given: str | None) -> str | None:
        if given is not None:
            _require_inside(given)
        return given

    @field_validator("pattern")
    @classmethod
    def _one_group(cls, given: str | None) -> str | None:
        try:
            groups = re.compile(given).groups if given is not None else 1
        except re.error as error:
            raise ValueError(f"this is no regular expression: {error}") from error
        if groups != 1:
            raise ValueError(
                f"it needs one group around the number, as in 'loss: ([0-9.]+)', and has {groups}"
            )
        return given

    @model_validator(mode="after")
    def _readable(self) -> MetricTable:
        ways = [name for name in ("pattern", "key") if getattr(self, name) is not None]
        if self.kind == "seconds":
            if ways or self.file is not None:
                raise ValueError("seconds are measured, not read: leave pattern, key and file away")
            if self.direction != "minimise":
                raise ValueError('seconds are to become fewer: direction = "minimise"')
        elif len(ways) == 2:
            raise ValueError("give pattern or key, not both")
        elif not ways and self.file is None:
            raise ValueError(
                'say how it is read: pattern = \'...\' or key = "...", and file = "..." if need be'
            )
        return self


class CommandFile(BaseModel):
    """The whole file. Paths are relative to the TOML file, globs to the repository."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,59}$")
    description: str = Field(min_length=1, max_length=300)
    repository: str = "."
    train: str
    run: str | None = None
    score: str | None = None
    confirm: str | None = Field(default=None, description="scoring command of the confirmation")
    artefacts: tuple[str, ...] = ()
    editable: tuple[str, ...] = Field(min_length=1)
    protected: tuple[str, ...] = ()
    hidden: tuple[str, ...] = Field(default=(), description="globs of files that only scoring sees")
    data: dict[str, str] = Field(
        default={}, description="path in the tree -> file or folder, bound read-only"
    )
    time_limit: float = Field(gt=0, le=7 * 86400, allow_inf_nan=False, description="seconds of one command")
    seed: str | None = Field(
        default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="variable for the seed"
    )
    deterministic: bool = Field(default=False, description="a seed changes nothing but timing")
    seeds: int = Field(default=5, ge=2, le=99)
    minimum_effect: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    metric: MetricTable

    @field_validator("train", "run", "score", "confirm")
    @classmethod
    def _words(cls, given: str | None) -> str | None:
        try:
            if given is not None and not shlex.split(given):
                raise ValueError("the command is empty")
        except ValueError as error:
            raise ValueError(f"this is no command: {error}") from error
        return given

    @field_validator("editable", "protected", "hidden", "artefacts")
    @classmethod
    def _inside(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for glob in given:
            _require_inside(glob)
        return given

    @field_validator("data")
    @classmethod
    def _data_inside(cls, given: dict[str, str]) -> dict[str, str]:
        for path in given:
            _require_inside(path)
        return given

    @model_validator(mode="after")
    def _whole(self) -> CommandFile:
        kind = self.metric.kind
        if kind == "self-reported":
            extra = next(
                (name for name in ("score", "run", "confirm") if getattr(self, name) is not None), None
            )
            if extra is not None:
                raise ValueError(
                    f'{extra} has no place where the metric is self-reported: kind = "scored" uses it'
                )
        elif self.score is None:
            wanted = "checks that the work is right" if kind == "seconds" else "prints the metric"
            raise ValueError(f"score is missing: the protected command that {wanted}")
        elif not self.artefacts:
            raise ValueError("artefacts is missing: globs of the files that training leaves for scoring")
        if self.deterministic and kind != "seconds":
            raise ValueError(
                "deterministic is for metrics of kind seconds: where a seed changes nothing a gain has no "
                'noise to be held against; pass a seed by {seed} in train, or by seed = "VARIABLE"'
            )
        if not self.deterministic and self.seed is None and "{seed}" not in self.train:
            raise ValueError(
                'nobody tells the seed: write {seed} in train, or seed = "VARIABLE" for a variable of it'
            )
        return self


def read_command_file(path: Path) -> CommandFile:
    """The command environment that a TOML file describes.

    Raises:
        InvalidCommandFile: it cannot be read, or a key is unknown, missing or wrong; names the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InvalidCommandFile(f"{path} cannot be read: {reason}.") from error
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        line = re.search(r"line (\d+)", str(error))
        where = f"line {line[1]}" if line else f"line {len(text.splitlines())}"
        raise InvalidCommandFile(f"{path}, {where}: this is no TOML: {error}.") from error
    found = raw.get("format", FORMAT)
    if found != FORMAT:
        raise InvalidCommandFile(
            f"{path}, line {_line(text, ('format',))}: it has format {found!r}, and this Szilard reads "
            f"format {FORMAT}: `szilard env new NAME --kind command` writes one."
        )
    try:
        return CommandFile.model_validate(raw)
    except ValidationError as error:
        # A key that is misspelt is unknown, and another one missing: the first of these says what to do.
        problems = sorted(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
        raise InvalidCommandFile(f"{path}, {_told(problems[0], text)}") from error


def _told(error: ErrorDetails, text: str) -> str:
    """Line, key and remedy of one finding of pydantic's."""
    location = tuple(str(part) for part in error["loc"])
    table, key = location[:-1], location[-1] if location else ""
    model = MetricTable if table[:1] == ("metric",) else CommandFile
    named = f"{'.'.join(location)}" if location else "the file"
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(key, list(model.model_fields), n=1, cutoff=0.0)[0]
        return f"line {_line(text, location)}: there is no key {named}; the nearest is {near}."
    if error["type"] == "missing" and key.isdigit():
        return f"line {_line(text, location)}: {'.'.join(table)}: a value is missing."
    if error["type"] == "missing":
        field = model.model_fields[key]
        what = f" ({field.description})" if field.description else ""
        return f"line {_line(text, table)}: the key {named} is missing{what}."
    message = error["msg"].removeprefix("Value error, ")
    return f"line {_line(text, location)}: {named}: {message}."


def _line(text: str, location: tuple[str, ...]) -> int:
    """The line on which a key is given; else that of its table, else the first one."""
    table, tables = "", {"": 1}
    keys = [part for part in location if not part.isdigit()]
    wanted = (".".join(keys[:-1]), keys[-1]) if keys else ("", "")
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*\[([^\[\]]+)\]", line)
        if header:
            table = header[1].strip().strip("\"'")
            tables[table] = number
        key = re.match(r"\s*[\"']?([A-Za-z0-9_.-]+)[\"']?\s*=", line)
        if key and (table, key[1]) == wanted:
            return number
        if key and table == "" and key[1] == wanted[0]:
            tables[wanted[0]] = number
    return tables.get(".".join(keys), tables.get(wanted[0], 1))


def _require_inside(path: str) -> None:
    parts = path.split("/")
    if not path or path.startswith("/") or "\\" in path or any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"{path!r} is no path inside the repository, such as 'src/*.py'")
