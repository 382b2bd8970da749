"""`szilard status`: where one run or all runs stand."""

from __future__ import annotations

from pathlib import Path

import click

from agent.cli.find import find_run, json_option, list_runs, load_run, runs_dir_option
from environments.base import SzilardError


@click.command(short_help="Say where one run or all stand.")
@click.argument("run", required=False)
@runs_dir_option
@json_option
def command(run: str | None, runs_dir: Path, as_json: bool) -> None:
    """Say where RUN stands; without RUN, list all runs.

    \b
    Example:
      szilard status runs/20261123-countdown-a1b2
    """
    from workspaces.review import status, text
    from workspaces.review.record import RunRecord

    if run is not None:
        record = load_run(find_run(run, runs_dir))
        if as_json:
            text.print_json(status.summary(record))
        else:
            status.print_run(record)
        return
    records: list[RunRecord | Path] = []
    damaged: list[dict[str, str]] = []
    for directory in list_runs(runs_dir):
        try:
            records.append(load_run(directory))
        except SzilardError as error:
            records.append(directory)
            damaged.append({"directory": str(directory), "state": "damaged", "reason": str(error)})
    if as_json:
        text.print_json(
            [*(status.summary(record) for record in records if isinstance(record, RunRecord)), *damaged]
        )
    else:
        status.print_runs(records, runs_dir)
