"""`szilard resume`: go on with a run that was interrupted, or that had ended."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent.cli.find import find_run, json_option, runs_dir_option

if TYPE_CHECKING:
    from agent.extension import Amount


def _amount(ctx: click.Context, parameter: click.Parameter, given: str | None) -> Amount | None:
    """The callback of an option that takes +20, twenty more, or 40, forty in all."""
    if given is None:
        return None
    from agent.extension import Amount

    try:
        value = float(given)
    except ValueError:
        value = math.nan
    whole = parameter.name in ("attempts", "tokens")
    if not (0 < value < 1e9) or (whole and value != int(value)):
        kind = "a whole number" if whole else "a number"
        raise click.BadParameter(
            f"{given!r} is not {kind} above 0: give +20 for twenty more, or 40 for forty in all",
            ctx,
            parameter,
        )
    return Amount(value, more=given.strip().startswith("+"))


@click.command(short_help="Go on with a run, interrupted or ended.")
@click.argument("run")
@click.option(
    "--attempts",
    callback=_amount,
    metavar="+N",
    help="Let a run that has ended make N more attempts (or, without the +, N in all).",
)
@click.option(
    "--minutes",
    callback=_amount,
    metavar="+M",
    help="Let it take M more minutes, if --minutes bounded it (without the +, M in all).",
)
@click.option(
    "--training-seconds", callback=_amount, metavar="+S", help="The same, if --training-seconds bounded it."
)
@click.option("--tokens", callback=_amount, metavar="+N", help="The same, if --tokens bounded it.")
@click.option("--dollars", callback=_amount, metavar="+D", help="The same, if --dollars bounded it.")
@runs_dir_option
@json_option
def command(run: str, runs_dir: Path, as_json: bool, **given: Amount | None) -> None:
    """Go on with RUN, a path or a name, after an interruption of any kind.

    Nothing that was measured is trained again; at most the step in flight is repeated.

    A run that has ended goes on when it is given more. Its winner was confirmed on sealed tasks, so the next
    end confirms on others, of a new seal; its alpha holds for all attempts together, so the later ones have
    less to spend; and every report says that the run was extended after a first result was seen.

    \b
    Example:
      szilard resume runs/20261123-countdown-a1b2
      szilard resume runs/20261123-countdown-a1b2 --attempts +20
    """
    directory = find_run(run, runs_dir)

    from agent import run as engine
    from agent.cli.view import open_view
    from agent.state_files import Clock
    from workspaces.spending import CLOCK_FILE

    more = None
    if any(amount is not None for amount in given.values()):
        from agent.extension import Asked

        more = Asked(**given)
    view = open_view(as_json, Clock(directory / CLOCK_FILE).seconds)
    try:
        with view:
            summary = engine.resume(directory, view.observe, more)
    except engine.Interrupted as error:
        view.interrupted(str(error), directory)
    else:
        view.summary(summary)
