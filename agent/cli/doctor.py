"""`szilard doctor`: can this machine train, and is a run in order?"""

from __future__ import annotations

from pathlib import Path

import click

from agent.cli.find import find_run, json_option, runs_dir_option


@click.command(short_help="Check this machine, and a run.")
@click.argument("run", required=False)
@runs_dir_option
@json_option
def command(run: str | None, runs_dir: Path, as_json: bool) -> None:
    """Check what a run needs of this machine: git, torch, a sandbox that holds, room on disk and in memory.

    With RUN also what `szilard fsck RUN` checks. Under each line that fails stands what mends it, and the
    exit code is 1.

    \b
    Example:
      szilard doctor
    """
    directory = find_run(run, runs_dir) if run is not None else None

    from agent import doctor, fsck
    from agent.cli.findings import tell

    findings = doctor.check_machine(runs_dir if directory is None else directory)
    tell([*findings, *(fsck.check(directory) if directory is not None else ())], as_json=as_json)
