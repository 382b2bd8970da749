"""`szilard export`: what a run has made, for use outside of it."""

from __future__ import annotations

from pathlib import Path

import click

from agent.cli.find import find_run, folder, json_option, load_run, runs_dir_option


@click.command(short_help="Take the controls that a run invented out of it.")
@click.argument("run")
@click.option(
    "--control",
    "into",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    callback=folder,
    metavar="DIR",
    help="Folder for the controls that the run invented and kept.",
)
@runs_dir_option
@json_option
def command(run: str, into: Path, runs_dir: Path, as_json: bool) -> None:
    """Write every control that RUN invented and its incumbent uses into DIR.

    Each is a file ready for --control, a test, and a page with what was measured of it.

    \b
    Example:
      szilard export runs/20261123-countdown-a1b2 --control my_controls
    """
    record = load_run(find_run(run, runs_dir))

    from agent.export import export_controls
    from workspaces.review import text

    written = export_controls(record, into)
    if as_json:
        text.print_json([str(path) for path in written])
        return
    for path in written:
        click.echo(str(path))
    click.echo(
        f'\nTest it: szilard controls check {written[0]}\nUse it: szilard run "GOAL" --control {written[0]}'
    )
