"""`szilard env`: which domains there are, and what each one says of itself."""

from __future__ import annotations

import click

from agent.cli import env_check, env_new
from agent.cli.assess import command as assess_environment
from agent.cli.find import json_option


@click.group(short_help="Look at the environments, or plug in your own.")
def command() -> None:
    """Look at the environments, the domains that can be researched, and plug in your own.

    \b
    Example:
      szilard env list
      szilard env new mydomain --kind language
      szilard env check ./mydomain.py
      szilard env assess countdown
    """


command.add_command(assess_environment)


@command.command("list")
@json_option
def list_environments(as_json: bool) -> None:
    """Name every environment, where it comes from, and what is wrong with one that cannot be used.

    \b
    Example:
      szilard env list
    """
    from agent.adapter_check import list_all
    from workspaces.plain_text import one_line
    from workspaces.review import text

    rows = list_all()
    if as_json:
        text.print_json([{"name": row.name, "origin": row.origin, "broken": fault} for row, fault in rows])
        return
    width = max(len(row.name) for row, _ in rows)
    for row, fault in rows:
        click.echo(f"{row.name:<{width}}  {row.origin}" + (f"  BROKEN: {one_line(fault)}" if fault else ""))


@command.command("show")
@click.argument("name")
@json_option
def show_environment(name: str, as_json: bool) -> None:
    """Say what the environment NAME optimises, guards, and lets a researcher edit.

    \b
    Example:
      szilard env show countdown
      szilard env show ./mydomain.toml
    """
    from dataclasses import asdict

    from agent.adapter_check import require_sound
    from environments import registry
    from workspaces.review import text

    require_sound(name, "load")
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
        ("Protected", ", ".join(spec.protected) if spec.trains_policy else "all that is not editable"),
        ("Trains with", " ".join(spec.train_command)),
        (
            "An attempt",
            f"{'about' if spec.trains_policy else 'at most'} {spec.seconds_per_attempt:g} s of training "
            f"a seed, {spec.seeds} seeds",
        ),
    ):
        click.echo(f"{label:<14}{value}")


command.add_command(env_new.command)
command.add_command(env_check.command)
