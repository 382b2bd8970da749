"""`szilard context`: what a language model was sent for an attempt, or would be sent for the next one."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent.cli.find import attempt_number, find_run, json_option, runs_dir_option

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.researchers.conversation import Turn


@click.command(short_help="Show what a language model was or would be sent.")
@click.argument("run")
@click.argument("attempt", type=attempt_number, required=False)
@runs_dir_option
@json_option
def command(run: str, attempt: int | None, runs_dir: Path, as_json: bool) -> None:
    """Show what a language model was sent for ATTEMPT of RUN, repairs and replies included.

    Without ATTEMPT, show what one would be sent for the next attempt of RUN, whoever proposes in it. Nothing
    is sent, and the run is left as it is.

    \b
    Example:
      szilard context runs/20261123-countdown-a1b2 7
    """
    directory = find_run(run, runs_dir)

    from agent import sent
    from workspaces.review import text

    if attempt is None:
        opening = sent.next_opening(directory)
        if as_json:
            text.print_json({**asdict(opening), "tokens": opening.tokens})
            return
        _print_turns(opening.turns)
        return
    exchanges = sent.sent(directory, attempt)
    if as_json:
        text.print_json([asdict(exchange) for exchange in exchanges])
        return
    for exchange in sent.without_repeats(exchanges):
        _print_turns(exchange.turns)
        if exchange.reply is not None:
            _print_turn(f"reply of {exchange.model}", exchange.reply)
        if exchange.error is not None:
            _print_turn("no reply", exchange.error)


def _print_turns(turns: Iterable[Turn]) -> None:
    for turn in turns:
        _print_turn(turn.role, turn.content)


def _print_turn(who: str, said: str) -> None:
    from workspaces.plain_text import clean, one_line

    click.echo(f"===== {one_line(who)} =====\n{clean(said)}\n")
