"""`szilard resume`: go on with a run that was interrupted."""

from __future__ import annotations

from pathlib import Path

import click

from agent.cli.find import find_run, json_option, runs_dir_option


@click.command(short_help="Go on with an interrupted run.")
@click.argument("run")
@runs_dir_option
@json_option
def command(run: str, runs_dir: Path, as_json: bool) -> None:
    """Go on with RUN, a path or a name, after an interruption of any kind.

    Nothing that was measured is trained again; at most the step in flight is repeated.

    \b
    Example:
      szilard resume runs/20261123-countdown-a1b2
    """
    directory = find_run(run, runs_dir)

    from agent import run as engine
    from agent.cli.view import open_view
    from agent.state_files import Clock

    view = open_view(as_json, Clock(directory / engine.CLOCK_FILE).seconds)
    try:
        with view:
            summary = engine.resume(directory, view.observe)
    except engine.Interrupted as error:
        view.interrupted(str(error), directory)
    else:
        view.summary(summary)
