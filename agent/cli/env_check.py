"""`szilard env check`: does an environment keep its promises?"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from agent.cli.find import json_option, sandbox_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from environments.checks.base import Finding


@click.command("check", short_help="Test an environment of your own.")
@click.argument("name")
@click.option("--quick", is_flag=True, help="Train nothing: seconds instead of minutes.")
@sandbox_option
@json_option
def command(name: str, quick: bool, sandbox: str, as_json: bool) -> None:
    """Test the environment NAME, or the one in the file NAME: tasks, splits, rewards, scores, training.

    It is loaded in a process of its own, with a time limit for every check. Without --quick the baseline is
    trained on three seeds and once again. A failure says what to change, and exits 2; a warning is worth
    reading.

    \b
    Example:
      szilard env check ./mydomain.py --quick
      szilard env check countdown
    """
    from agent.adapter_check import look_at
    from environments.base import InvalidEnvironment
    from workspaces.review import text

    found = look_at(name, "quick")
    if not quick and not any(one.outcome == "failed" for one in found):
        from agent.training_check import training_findings

        if not as_json:
            click.echo("Training the baseline on 3 seeds, and once again …", err=True)
        found += training_findings(name, sandbox=sandbox)
    if as_json:
        text.print_json([asdict(one) for one in found])
    else:
        show(found, trained=not quick)
    failed = [one for one in found if one.outcome == "failed"]
    if failed:
        rest = f" ({len(failed) - 1} more of {len(found)} checks failed)" if failed[1:] else ""
        remedy = f" {failed[0].remedy}." if failed[0].remedy else ""
        raise InvalidEnvironment(f"{failed[0].check!r} fails: {failed[0].said}.{remedy}{rest}")


def show(found: Sequence[Finding], *, trained: bool) -> None:
    """A table of the checks with what to change under each that did not pass."""
    from rich.table import Table

    from workspaces import plain_text
    from workspaces.review import text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("check", "outcome", "what was found"):
        table.add_column(column, overflow="fold")
    for one in found:
        said = f"{one.said}. {one.remedy}." if one.remedy else one.said
        table.add_row(one.check, one.outcome, plain_text.one_line(said))
    text.console().print(table)
    if not any(one.outcome == "failed" for one in found):
        click.echo(
            "\nIt keeps the contract." if trained else "\nNothing is wrong that shows without training."
        )
