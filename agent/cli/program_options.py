"""The options of a program that proposes, and what they amount to."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from agent.cli.find import finite

if TYPE_CHECKING:
    from agent.program import Program

_Command = TypeVar("_Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--researcher-command",
        metavar="COMMAND",
        help="The program of --researcher command, run in the sandbox, in a copy of the work tree.",
    ),
    click.option(
        "--researcher-env",
        multiple=True,
        metavar="NAME",
        help="A variable that it is given, such as a key; its value is kept nowhere. Repeatable.",
    ),
    click.option("--researcher-network", metavar="none", help="What it may reach: none.  [default: none]"),
    click.option(
        "--researcher-seconds",
        type=click.FloatRange(min=0, min_open=True),
        callback=finite,
        help="Wall time of one proposal.  [default: 600]",
    ),
)


def program_options(command: _Command) -> _Command:
    """The options of `szilard run` that go with --researcher command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def program_from(
    researcher: str | None,
    *,
    researcher_command: str | None,
    researcher_env: tuple[str, ...],
    researcher_network: str | None,
    researcher_seconds: float | None,
) -> Program | None:
    """The program that was asked for; None where another researcher was.

    Raises:
        UsageError: the options do not go together.
        InvalidProgram: it cannot be had.
    """
    given = (researcher_command, researcher_env, researcher_network, researcher_seconds)
    if researcher != "command":
        if any(given):
            raise click.UsageError("--researcher-command and the like go with --researcher command.")
        return None
    if not researcher_command:
        raise click.UsageError("--researcher command needs --researcher-command 'PROGRAM ARGUMENTS'.")

    from agent.program import USUAL_SECONDS, program_of

    return program_of(
        researcher_command, researcher_env, researcher_network or "none", researcher_seconds or USUAL_SECONDS
    )
