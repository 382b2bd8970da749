"""`szilard ablate`: which change carried the winner's gain."""

from __future__ import annotations

from pathlib import Path

import click

from agent.cli.find import find_run, json_option, runs_dir_option


@click.command(short_help="Leave each change out of the winner once.")
@click.argument("run")
@runs_dir_option
@json_option
def command(run: str, runs_dir: Path, as_json: bool) -> None:
    """Train the winner of RUN again without each of its changes, and say which of them carried the gain.

    Changes are the attempts that were kept, and the settings that the catalogue can name: a control, the
    learning rate, the length. Winner and rest are trained on fresh seeds and scored on selection tasks, so
    that the seal stays closed. A run without --minutes does this by itself at its end.

    \b
    Example:
      szilard ablate runs/20261123-countdown-a1b2
    """
    directory = find_run(run, runs_dir)

    from agent import run as engine
    from agent.ablation import ABLATION_FILE
    from agent.cli.view import open_view
    from agent.state_files import read_json

    view = open_view(as_json)
    try:
        with view:
            told = engine.ablate_winner(directory, view.observe)
    except engine.Interrupted:
        view.note(f"Stopped. Go on with: szilard ablate {directory}")
        raise SystemExit(130) from None
    if as_json:
        view.emit({"event": "ablation", **read_json(directory / ABLATION_FILE)})
    else:
        view.note(told)
