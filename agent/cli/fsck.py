"""`szilard fsck`: does a run agree with itself?"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from agent.cli.find import find_run, json_option, runs_dir_option

DISAGREES = 1


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
    from workspaces.review import text

    findings = fsck.check(directory)
    if as_json:
        text.print_json([{"holds": finding.holds, **asdict(finding)} for finding in findings])
    else:
        for finding in findings:
            click.echo(
                text.one_line(f"{'ok' if finding.holds else 'FAIL'}  {finding.name}: {finding.told()}")
            )
            for mending in finding.mending():
                click.echo(f"      mend it: {text.one_line(mending)}")
    sys.exit(0 if all(finding.holds for finding in findings) else DISAGREES)
