"""`szilard env new`: the beginnings of an environment of one's own."""

from __future__ import annotations

from pathlib import Path

import click

from agent.cli.find import json_option


@click.command("new", short_help="Begin an environment of your own.")
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice(["language", "full", "command"]),
    default="language",
    show_default=True,
    help="language: tasks and a reward; full: a template and a scorer of your own; "
    "command: a TOML file over any repository, no Python.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=".",
    show_default=True,
    help="Where to write it.",
)
@json_option
def command(name: str, kind: str, folder: Path, as_json: bool) -> None:
    """Write a commented environment that works as it is, with a test. Nothing is overwritten.

    \b
    Example:
      szilard env new mydomain --kind language
    """
    from typing import cast

    from agent.skeleton import Kind, write_skeleton
    from workspaces.review import text

    written = write_skeleton(name, cast(Kind, kind), folder)
    if as_json:
        text.print_json([str(path) for path in written])
        return
    for path in written:
        click.echo(f"wrote {path}")
    first = f"./{written[0]}" if not written[0].is_absolute() and folder == Path() else str(written[0])
    click.echo(f"\nRead it, change it, then check it: szilard env check {first} --quick")
