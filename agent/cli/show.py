"""`szilard show`: one attempt in full."""

from __future__ import annotations

from pathlib import Path

import click

from agent.cli.find import attempt_number, find_run, json_option, load_run, runs_dir_option


@click.command(short_help="Show one attempt in full.")
@click.argument("run")
@click.argument("attempt", type=attempt_number)
@runs_dir_option
@json_option
def command(run: str, attempt: int, runs_dir: Path, as_json: bool) -> None:
    """Show ATTEMPT of RUN: hypothesis, mechanism, prediction against outcome, verdict with its figures.

    ATTEMPT 0 is the baseline.

    \b
    Example:
      szilard show runs/20261123-countdown-a1b2 7
    """
    record = load_run(find_run(run, runs_dir))

    from workspaces.review import show, text

    if as_json:
        text.print_json(show.page(record, attempt))
    else:
        show.print_attempt(record, attempt)
