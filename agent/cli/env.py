"""`szilard env`: which domains there are, and what each one says of itself."""

from __future__ import annotations

import click

from agent.cli.assess import command as assess_environment
from agent.cli.find import json_option


@click.group(short_help="Look at the environments.")
def command() -> None:
    """Look at the environments, the domains that can be researched.

    \b
    Example:
      szilard env assess countdown
    """


command.add_command(assess_environment)


@command.command("list")
@json_option
def list_environments(as_json: bool) -> None:
    """Name every environment.

    \b
    Example:
      szilard env list
    """
    from environments import registry
    from workspaces.review import text

    names = registry.names()
    if as_json:
        text.print_json(names)
    else:
        for name in names:
            click.echo(name)


@command.command("show")
@click.argument("name")
@json_option
def show_environment(name: str, as_json: bool) -> None:
    """Say what the environment NAME optimises, guards, and lets a researcher edit.

    \b
    Example:
      szilard env show countdown
    """
    from dataclasses import asdict

    from environments import registry
    from workspaces.review import text

    spec = registry.load(name).spec
    if as_json:
        text.print_json(asdict(spec))
        return
    guards = ", ".join(f"{guard.metric} (tolerance {guard.tolerance:g})" for guard in spec.guards)
    low, high = spec.range
    for label, value in (
        ("Environment", f"{spec.name} {spec.version}"),
        ("", spec.description),
        ("Optimises", f"{spec.metric} ({spec.direction}, {low:g} to {high:g}): {spec.metric_meaning}"),
        ("Guards", guards or "none"),
        ("Metrics", ", ".join(spec.metrics)),
        ("Editable", ", ".join(spec.editable)),
        ("Protected", ", ".join(spec.protected)),
        ("Trains with", " ".join(spec.train_command)),
        ("An attempt", f"about {spec.seconds_per_attempt:g} s of training a seed, {spec.seeds} seeds"),
    ):
        click.echo(f"{label:<14}{value}")
