"""`szilard fsck`: does a run agree with itself?"""

from __future__ import annotations

from pathlib import Path

import click

from agent.cli.find import find_run, json_option, runs_dir_option


@click.command(short_help="Prove that a run's ledger, files and index agree.")
@click.argument("run")
@runs_dir_option
@json_option
def command(run: str, runs_dir: Path, as_json: bool) -> None:
    """Prove that the ledger, the measurements and the index of RUN agree; nothing is changed.

    Every score is worked out again from the measurements that its commit names, and every measurement is held
    against its copy in the evidence ref. Exits with 1 where something does not agree, and says what mends it.

    \b
    Example:
      szilard fsck runs/20261123-countdown-a1b2
    """
    directory = find_run(run, runs_dir)

    from agent import fsck
    from agent.cli.findings import tell

    tell(fsck.check(directory), as_json=as_json)
