"""`szilard controls check`: test a control of one's own before anything is trained with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent.cli.find import json_option, sandbox_option

if TYPE_CHECKING:
    from agent.control_check import Checked


@click.command("check", short_help="Test a control of your own.")
@click.argument("file", type=click.Path(path_type=Path))
@sandbox_option
@json_option
def command(file: Path, sandbox: str, as_json: bool) -> None:
    """Test the control in FILE: shapes, gradients, padding, inputs, figures, random state, speed.

    It is run in the sandbox, on made-up batches, some of them odd; nothing is trained. A refusal says what to
    change and exits 2; a warning is worth reading and refuses nothing.

    \b
    Example:
      szilard controls check my_control.py
    """
    from agent.control_check import check_controls
    from workspaces.review import text

    (checked,) = check_controls([file], sandbox=sandbox)
    if as_json:
        text.print_json(plain(checked))
    else:
        show(checked)
    checked.require()


def plain(checked: Checked) -> dict[str, object]:
    return {
        "name": checked.control.name,
        "kind": checked.control.kind,
        "file": str(checked.control.path),
        "refused": checked.refused,
        "speed": checked.speed,
        "findings": [
            {"check": one.check, "outcome": one.outcome, "said": one.said} for one in checked.findings
        ],
    }


def summary_of(checked: Checked) -> str:
    """One line on a control that may be trained."""
    from workspaces import plain_text

    warned = [one.said for one in checked.findings if one.outcome == "warned"]
    speed = "" if checked.speed is None else f", {checked.speed:.2f} times the plain one's time"
    said = f"; warned: {'; '.join(warned)}" if warned else ""
    return plain_text.one_line(f"{checked.control.path} holds {checked.control.name}: checked{speed}{said}")


def show(checked: Checked) -> None:
    """A table of the checks, and in one line what to do next."""
    from rich.table import Table

    from workspaces import plain_text
    from workspaces.review import text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("check", "outcome", "what was found"):
        table.add_column(column, overflow="fold")
    for one in checked.findings:
        said = one.said
        if one.check == "speed" and checked.speed is not None:
            said = f"{checked.speed:.2f} times the plain one's time{'; ' + said if said else ''}"
        table.add_row(plain_text.one_line(one.check), one.outcome, plain_text.one_line(said))
    text.console().print(table)
    if not checked.refused:
        control = checked.control
        click.echo(f'\n{control.name} can be used: szilard run "GOAL" --control {control.path}')
