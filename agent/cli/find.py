"""Which run a person means: a path, or a name under the runs directory."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from environments.base import SzilardError

if TYPE_CHECKING:
    from workspaces.review.record import RunRecord

MOST_SEEDS = 99

_Command = TypeVar("_Command", bound=Callable[..., Any])


class NoSuchRun(SzilardError):
    """A run that was named lives nowhere."""


def runs_dir_option(command: _Command) -> _Command:
    """`--runs-dir`, the same for every verb."""
    return click.option(
        "--runs-dir",
        type=click.Path(path_type=Path),
        default="runs",
        show_default=True,
        help="Folder that holds the runs.",
    )(command)


def finite(ctx: click.Context, parameter: click.Parameter, given: float | None) -> float | None:
    """The callback of an option that takes a number, which nan and inf are not."""
    if given is not None and not math.isfinite(given):
        raise click.BadParameter(f"{given} is no finite number", ctx, parameter)
    return given


def folder(ctx: click.Context, parameter: click.Parameter, given: Path | None) -> Path | None:
    """The callback of an option that names a folder to be filled: not the present one."""
    if given == Path():
        raise click.BadParameter("name a folder of its own, not the present one", ctx, parameter)
    return given


def json_option(command: _Command) -> _Command:
    """`--json`, the same for every verb that shows something."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")(command)


def workers_option(command: _Command) -> _Command:
    """`--workers`, the same for every verb that trains."""
    return click.option(
        "--workers", type=click.IntRange(min=1), help="Trainings at once.  [default: 2, or fewer cores]"
    )(command)


def device_option(command: _Command) -> _Command:
    """`--device`, the same for every verb that trains."""
    return click.option(
        "--device",
        type=click.Choice(["auto", "cpu", "cuda"]),
        default="auto",
        show_default=True,
        help="Where to train.",
    )(command)


def sandbox_option(command: _Command) -> _Command:
    """`--sandbox`, the same for every verb that runs foreign code."""
    return click.option(
        "--sandbox",
        type=click.Choice(["auto", "bubblewrap", "landlock", "seatbelt", "none"]),
        default="auto",
        show_default=True,
        help="What isolates the code.",
    )(command)


def attempt_number(given: str) -> int:
    """The type of an argument that names an attempt as `szilard log` lists it."""
    try:
        number = int(given)
    except ValueError:
        number = -1
    if number < 0:
        raise click.BadParameter(
            f"{given!r} is not the number of an attempt: give one from the first column of "
            "`szilard log RUN`, 0 for the baseline."
        )
    return number


def find_run(run: str, runs_dir: Path) -> Path:
    """The directory of a run.

    Raises:
        NoSuchRun: neither a path nor a name under `runs_dir`; the message names the nearest.
    """
    for directory in (Path(run), runs_dir / run):
        if (directory / "run.json").exists():
            return directory
    if Path(run).exists():
        return Path(run)
    import difflib

    names = [directory.name for directory in list_runs(runs_dir)]
    near = difflib.get_close_matches(run.rstrip("/").rsplit("/", 1)[-1], names, n=1, cutoff=0.4)
    if near:
        hint = f"Did you mean {near[0]}?"
    elif names:
        hint = "List them with `szilard status`."
    else:
        hint = f'{runs_dir} holds no runs. Start one with `szilard run "GOAL"`.'
    raise NoSuchRun(f"There is no run {run!r}, neither as a path nor in {runs_dir}. {hint}")


def list_runs(runs_dir: Path) -> list[Path]:
    """Every run in the runs directory, oldest name first."""
    try:
        return sorted(path.parent for path in runs_dir.glob("*/run.json"))
    except NotADirectoryError:
        return []


def load_run(directory: Path) -> RunRecord:
    """Read a run for review.

    Raises:
        SzilardError: the directory holds no run, or a file of it is damaged.
    """
    from agent.run_file import read_as_written
    from agent.seeds import every_seed
    from workspaces.review.record import read_run

    settings = read_as_written(directory)
    if settings is None:
        from agent.settings import RunSettings

        settings = RunSettings.read(directory).model_dump(mode="json")
    return read_run(directory, settings, len(every_seed(settings["seeds"])))
