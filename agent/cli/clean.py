"""`szilard clean`: free what a run no longer needs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from agent.cli.find import find_run, json_option, runs_dir_option


@click.command(short_help="Free what a run no longer needs.")
@click.argument("run")
@click.option(
    "--logs", is_flag=True, help="Delete what trainings printed, too; crashed attempts keep theirs."
)
@click.option("--dry-run", is_flag=True, help="Say what would be freed, and delete nothing.")
@runs_dir_option
@json_option
def command(run: str, logs: bool, dry_run: bool, runs_dir: Path, as_json: bool) -> None:
    """Free what RUN no longer needs, and say by kind what that was.

    Deleted are policies of attempts that can no longer win, the pool of work trees, the checkpoints of
    finished attempts, and what a kill left half written; git objects are packed. The incumbent's policies
    stay, and so does all that resume, show, replay, ablate, confirm and fsck read. A run that is being worked
    on, or in which fsck finds a fault, is left alone.

    \b
    Example:
      szilard clean runs/20261123-countdown-a1b2 --dry-run
      szilard clean runs/20261123-countdown-a1b2 --logs
    """
    directory = find_run(run, runs_dir)

    from agent.cleaning import clean
    from agent.ownership import owned
    from agent.settings import RunSettings
    from workspaces.review import text

    keeps_policies = RunSettings.read(directory).keep_policies
    with owned(directory):
        freed = clean(directory, logs=logs, dry_run=dry_run)
    total = {
        "files": sum(one.files or 0 for one in freed),
        "bytes": sum(one.bytes or 0 for one in freed),
    }
    if as_json:
        text.print_json({"dry_run": dry_run, "freed": [asdict(one) for one in freed], **total})
        return
    for one in freed:
        if one.kind == "policies" and keeps_policies:
            click.echo("policies: kept, since the run was begun with --keep-policies")
        elif one.bytes is None:
            click.echo(f"{one.kind}: packed; how much that frees is known afterwards")
        else:
            click.echo(f"{one.kind}: {one.bytes:,} bytes, {one.files:,} files")
    click.echo(f"{'Would free' if dry_run else 'Freed'} {total['bytes']:,} bytes, {total['files']:,} files.")
