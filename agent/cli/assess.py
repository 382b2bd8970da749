"""`szilard env assess`: whether a domain can be researched, by measurement."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent.cli.find import finite, json_option, runs_dir_option, sandbox_option, workers_option

if TYPE_CHECKING:
    from environments.suitability import Probe

_STYLES = {
    "passed": "green",
    "reported": "blue",
    "advice": "cyan",
    "conditional": "yellow",
    "unsuitable": "bold red",
    "not measured": "dim",
}


@click.command("assess", short_help="Measure whether a domain can be researched.")
@click.argument("name")
@click.option(
    "--full", is_flag=True, help="At most 45 trainings instead of 8: more edits, entropy by training."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything random.")
@click.option(
    "--hours",
    type=click.FloatRange(min=0, min_open=True),
    callback=finite,
    default=8.0,
    show_default=True,
    help="Hours that a whole research may take: attempts and seeds are held against them.",
)
@click.option(
    "--effect",
    type=click.FloatRange(min=0, min_open=True),
    callback=finite,
    help="Smallest change of the metric that is of interest.  [default: the domain's, or a tenth of what"
    " training gains]",
)
@workers_option
@runs_dir_option
@sandbox_option
@json_option
def command(
    name: str,
    full: bool,
    seed: int,
    hours: float,
    effect: float | None,
    workers: int | None,
    runs_dir: Path,
    sandbox: str,
    as_json: bool,
) -> None:
    """Measure whether the environment NAME (or a Python file) has what autonomous research needs.

    It trains, edits and reverts the domain's own template in a folder of its own, and says suitable,
    conditional or unsuitable, with every number and what would mend it. It stops at the first property
    missing that blocks. Interrupt it at any time: the same command goes on.

    \b
    Examples:
      szilard env assess countdown
      szilard env assess ./mydomain.py --full --hours 24 --effect 0.01
    """
    from agent.assess.assessing import Asked
    from agent.assess.open import assessed
    from agent.assess.report import PAGE_FILE, left_out_sentence, verdict_sentence
    from agent.cli.view import View
    from agent.opening import Interrupted
    from agent.plan import plan_training
    from workspaces.review.text import print_json

    settings = plan_training(
        goal=f"Assess {name}",
        environment=name,
        metric=None,
        guards=None,
        minutes=None,
        seeds=None,
        workers=workers,
        device="cpu",
        folder=runs_dir,
        seed=seed,
        sandbox=sandbox,
        name="assessment",
    )
    asked = Asked("full" if full else "quick", hours, effect)
    view = View()
    observer = (lambda event: None) if as_json else view.observe
    try:
        found = assessed(settings, asked, runs_dir, observer)
    except Interrupted:
        click.echo(f"Stopped. Go on with: szilard {shlex.join(sys.argv[1:])}", err=True)
        sys.exit(130)
    if as_json:
        print_json({**found.record.to_json(), "folder": str(found.folder), "known": found.known})
        return
    if found.known:
        view.note("Assessed before, and nothing of the domain has changed since:")
    _print_table(found.record.assessment.probes)
    view.note(left_out_sentence(found.record))
    view.note(f"\n{verdict_sentence(found.record)}\n")
    view.note(f"Page and picture: {found.folder / PAGE_FILE}")


def _print_table(probes: Sequence[Probe]) -> None:
    from workspaces.plain_text import one_line
    from workspaces.review.tables import Cell, print_table
    from workspaces.review.text import console

    rows = [
        [
            Cell(probe.id),
            Cell(probe.name),
            Cell(probe.verdict, _STYLES[probe.verdict]),
            Cell(one_line(probe.finding)),
        ]
        for probe in probes
    ]
    print_table(console(), ("", "probe", "verdict", "measured"), rows)
