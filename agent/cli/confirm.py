"""`szilard confirm`: the sealed confirmation of a run, and its reopening."""

from __future__ import annotations

from pathlib import Path

import click

from agent.cli.find import find_run, json_option, runs_dir_option


@click.command(short_help="Open the sealed tasks of a run, or open them again.")
@click.argument("run")
@click.option(
    "--reopen",
    is_flag=True,
    help="Open the sealed tasks a second time, on fresh seeds; every later report says so.",
)
@runs_dir_option
@json_option
def command(run: str, reopen: bool, runs_dir: Path, as_json: bool) -> None:
    """Confirm the winner of RUN on sealed tasks and fresh seeds.

    A run does this by itself at its end, once; one that has not ended is brought to its end. Whoever looks at
    sealed tasks twice chooses between two looks.

    \b
    Example:
      szilard confirm runs/20261123-countdown-a1b2 --reopen
    """
    directory = find_run(run, runs_dir)

    from agent import run as engine
    from agent.cli.view import open_view
    from agent.confirm import CONFIRMATION_FILE, SealedAlready, read_confirmation

    made = directory / CONFIRMATION_FILE
    if made.exists() and not read_confirmation(made)["winner"]:
        raise SealedAlready(
            f"{directory} kept nothing, so its sealed tasks were never opened, and stay sealed."
        )
    if made.exists() and not reopen:
        raise SealedAlready(
            f"{directory} is confirmed already: `szilard status {directory}` shows it. Its sealed tasks are "
            "opened a second time by --reopen only, and every later report then says so."
        )
    view = open_view(as_json)
    try:
        with view:
            go = engine.confirm_again if reopen else engine.resume
            summary = go(directory, view.observe)
    except engine.Interrupted as error:
        view.interrupted(str(error), directory)
    else:
        view.summary(summary)
