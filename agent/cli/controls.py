"""`szilard controls`: which entropy controls there are, and how they compare."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent.cli.check_control import command as check_command
from agent.cli.compare import command as compare_command
from agent.cli.find import json_option

if TYPE_CHECKING:
    from workspaces.controls import Control


@click.group(short_help="Look at the entropy controls, check your own, compare them.")
def command() -> None:
    """Look at the entropy controls: losses, terms, advantages, averages, sampling.

    \b
    Examples:
      szilard controls list
      szilard controls show ClipCov
      szilard controls check my_control.py
      szilard controls compare --seeds 5 --minutes 30
    """


command.add_command(compare_command)
command.add_command(check_command)


@command.command("list")
@click.argument("folder", required=False, type=click.Path(path_type=Path, exists=True, file_okay=False))
@json_option
def list_controls(folder: Path | None, as_json: bool) -> None:
    """Name every control, with its kind and the hyper-parameters of its paper; those in FOLDER too.

    \b
    Examples:
      szilard controls list
      szilard controls list my_controls/
    """
    from workspaces.controls import controls_in, shipped_controls
    from workspaces.review import text

    controls = [*shipped_controls().values(), *(controls_in(folder) if folder else [])]
    if as_json:
        text.print_json([_plain(control) for control in controls])
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("kind", "control", "defaults", "what it does"):
        table.add_column(column, overflow="fold")
    for control in controls:
        table.add_row(control.kind, control.name, _arguments(control.defaults), control.summary)
    text.console().print(table)


@command.command("show")
@click.argument("name")
@json_option
def show_control(name: str, as_json: bool) -> None:
    """Say all that the control NAME, or the control in the file NAME, says of itself.

    \b
    Example:
      szilard controls show KlCov
    """
    from workspaces import plain_text
    from workspaces.review import text

    control = _found(name)
    if as_json:
        text.print_json(_plain(control))
        return
    click.echo(f"{control.name}, {'an' if control.kind[0] in 'aeiou' else 'a'} {control.kind}\n")
    click.echo(plain_text.clean(control.documentation) + "\n")
    click.echo(f"Defaults: {_arguments(control.defaults) or 'no hyper-parameter'}")
    if control.small_scale is not None:
        click.echo(f"Adapted to small minibatches: {_arguments(control.small_scale)}")
    click.echo(f"File: {control.path}")


def _found(name: str) -> Control:
    from workspaces.controls import NotAControl, read_control, shipped_controls

    if name.endswith(".py") or Path(name).is_file():
        return read_control(Path(name))
    known = shipped_controls()
    if name not in known:
        import difflib

        lower = {other.lower(): other for other in known}
        near = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.5)
        hint = f"Did you mean {lower[near[0]]}?" if near else "List them with `szilard controls list`."
        raise NotAControl(f"There is no control {name!r}. {hint}")
    return known[name]


def _plain(control: Control) -> dict[str, object]:
    return {
        "name": control.name,
        "kind": control.kind,
        "defaults": dict(control.defaults),
        "small_scale": dict(control.small_scale) if control.small_scale is not None else None,
        "flags": dict(control.flags),
        "documentation": control.documentation,
        "file": str(control.path),
    }


def _arguments(arguments: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in arguments.items())
