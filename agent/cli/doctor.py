"""`szilard doctor`: can this machine train, is a run in order, and does the sandbox hold?"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from agent.cli.find import find_run, json_option, runs_dir_option
from environments.base import SzilardError


@click.command(short_help="Check this machine, its sandbox, and a run.")
@click.argument("run", required=False)
@click.option("--attacks", is_flag=True, help="Attack every sandbox tier of this machine, for minutes.")
@click.option("--markdown", is_flag=True, help="With --attacks: print the table as Markdown.")
@runs_dir_option
@json_option
def command(run: str | None, attacks: bool, markdown: bool, runs_dir: Path, as_json: bool) -> None:
    """Check what a run needs of this machine: git, torch, a sandbox that holds, room on disk and in memory.

    With RUN also what `szilard fsck RUN` checks. Under each line that fails stands what mends it, and the
    exit code is 1.

    With --attacks real attacks are run instead: out of each sandbox tier, on its limits, and on what reads
    the work of a model. Each is also tried where nothing defends, to show that it works at all. The exit code
    is 1 if one succeeds.

    \b
    Examples:
      szilard doctor
      szilard doctor --attacks
    """
    if attacks:
        if run is not None:
            raise SzilardError("--attacks is for this machine and takes no run: `szilard doctor --attacks`.")
        _attack(markdown=markdown, as_json=as_json)
    if markdown:
        raise SzilardError("--markdown is for the table of attacks: `szilard doctor --attacks --markdown`.")
    directory = find_run(run, runs_dir) if run is not None else None

    from agent import doctor, fsck
    from agent.cli.findings import tell

    findings = doctor.check_machine(runs_dir if directory is None else directory)
    tell([*findings, *(fsck.check(directory) if directory is not None else ())], as_json=as_json)


def _attack(*, markdown: bool, as_json: bool) -> None:
    from dataclasses import asdict

    from agent.attacks import run_attacks
    from workspaces.review import attacks_table, text
    from workspaces.sandbox import tiers_here
    from workspaces.sandbox.probe import starts

    tiers = {str(tier.tier): tier for tier in reversed(tiers_here()) if starts(tier)}
    attacked = []
    for result in run_attacks(list(reversed(tiers.values()))):
        attacked.append(result)
        if not (markdown or as_json):
            click.echo(attacks_table.line(result))
    if as_json:
        text.print_json([asdict(result) for result in attacked])
    elif markdown:
        click.echo(attacks_table.as_markdown(attacked))
    else:
        click.echo(attacks_table.summary(attacked))
    sys.exit(0 if all(result.blocked for result in attacked) and tiers else 1)
