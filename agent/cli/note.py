"""`szilard note`: a person's words on one attempt."""

from __future__ import annotations

from pathlib import Path

import click

from agent.cli.find import attempt_number, find_run, load_run, runs_dir_option


@click.command(short_help="Note something on an attempt.")
@click.argument("run")
@click.argument("attempt", type=attempt_number)
@click.argument("text")
@runs_dir_option
def command(run: str, attempt: int, text: str, runs_dir: Path) -> None:
    """Keep TEXT with ATTEMPT of RUN, running or not; attempt 0 is the baseline.

    `szilard show` shows it, and a researcher that reads words is shown it at its next proposal.

    \b
    Example:
      szilard note runs/20261123-countdown-a1b2 7 "Its entropy fell in the last ten steps only: worth a look"
    """
    directory = find_run(run, runs_dir)
    if attempt:
        load_run(directory).attempt(attempt)

    from agent.remarking import remark

    click.echo(remark(directory, text, attempt))
