"""`szilard steer`: a person's words on where a run should look."""

from __future__ import annotations

from pathlib import Path

import click

from agent.cli.find import find_run, runs_dir_option


@click.command(short_help="Tell the researcher where to look.")
@click.argument("run")
@click.argument("text")
@runs_dir_option
def command(run: str, text: str, runs_dir: Path) -> None:
    """Keep TEXT with RUN, running or not, for its researcher to read at its next proposal.

    `szilard status` shows it. Words change what is tried, and nothing of how it is judged.

    \b
    Example:
      szilard steer runs/20261123-countdown-a1b2 "Leave the learning rate alone; try advantages"
    """
    directory = find_run(run, runs_dir)

    from agent.remarking import remark

    click.echo(remark(directory, text))
