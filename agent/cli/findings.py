"""How the findings of a check are shown, and what the exit code says of them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from agent.findings import Finding

FAILS = 1


def tell(findings: Sequence[Finding], *, as_json: bool) -> NoReturn:
    """Print every finding, under each that fails what mends it, and exit: 0 if all hold, 1 if not."""
    from workspaces import plain_text
    from workspaces.review import text

    if as_json:
        text.print_json([{"holds": finding.holds, **asdict(finding)} for finding in findings])
    else:
        for finding in findings:
            click.echo(
                plain_text.one_line(f"{'ok' if finding.holds else 'FAIL'} {finding.name}: {finding.told()}")
            )
            for mending in finding.mending():
                click.echo(f"  mend it: {plain_text.one_line(mending)}")
    sys.exit(0 if all(finding.holds for finding in findings) else FAILS)
