"""`szilard diff`: what an attempt changed."""

from __future__ import annotations

from pathlib import Path

import click

from agent.cli.find import attempt_number, find_run, json_option, load_run, runs_dir_option


@click.command(short_help="Show what an attempt changed.")
@click.argument("run")
@click.argument("attempt", type=attempt_number)
@click.argument("other", type=attempt_number, required=False)
@runs_dir_option
@json_option
def command(run: str, attempt: int, other: int | None, runs_dir: Path, as_json: bool) -> None:
    """Show the code that ATTEMPT of RUN changed in its parent, or the changes from ATTEMPT to OTHER.

    Attempt 0 is the baseline.

    \b
    Example:
      szilard diff runs/20261123-countdown-a1b2 0 7
    """
    record = load_run(find_run(run, runs_dir))

    from workspaces.review import diff, text

    if as_json:
        text.print_json(diff.diff(record, attempt, other))
    else:
        diff.print_diff(record, attempt, other)
