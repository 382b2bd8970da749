"""The options of a verb that trains codes side by side, the same for every such verb."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from agent.cli.find import MOST_SEEDS, finite

_Command = TypeVar("_Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--environment", default="countdown", show_default=True, help="Domain: see `szilard env list`."
    ),
    click.option(
        "--seeds",
        type=click.IntRange(min=2, max=MOST_SEEDS),
        default=5,
        show_default=True,
        help="Evidence seeds of an arm.",
    ),
    click.option(
        "--minutes",
        type=click.FloatRange(min=0, min_open=True),
        callback=finite,
        help="Begin no further arm after this many minutes.",
    ),
    click.option(
        "--workers", type=click.IntRange(min=1), help="Trainings at once.  [default: 2, or fewer cores]"
    ),
    click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True),
    click.option(
        "--sandbox", type=click.Choice(["auto", "bubblewrap", "none"]), default="auto", show_default=True
    ),
    click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything random."),
)


def training_options(command: _Command) -> _Command:
    """--environment, --seeds, --minutes, --workers, --device, --sandbox and --seed."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
