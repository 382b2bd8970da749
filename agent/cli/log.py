"""`szilard log`: the attempts of a run, one a line."""

from __future__ import annotations

import gc
from pathlib import Path

import click

from agent.cli.find import find_run, json_option, load_run, runs_dir_option


@click.command(short_help="List the attempts of a run.")
@click.argument("run")
@runs_dir_option
@json_option
def command(run: str, runs_dir: Path, as_json: bool) -> None:
    """List the attempts of RUN with their verdicts and figures.

    \b
    Example:
      szilard log runs/20261123-countdown-a1b2
    """
    gc.disable()  # a thousand attempts are many objects, and none of them is garbage
    record = load_run(find_run(run, runs_dir))

    from workspaces.review import log, text

    if as_json:
        text.print_json(log.rows(record))
    else:
        log.print_log(record)
