"""`szilard replay`: train one seed of an attempt again from its commit, and compare."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from agent.cli.find import attempt_number, find_run, json_option, runs_dir_option

EXIT_DIFFERENT = 1


@click.command(short_help="Train one seed of an attempt again and compare.")
@click.argument("run")
@click.argument("attempt", type=attempt_number)
@runs_dir_option
@json_option
def command(run: str, attempt: int, runs_dir: Path, as_json: bool) -> None:
    """Train one seed of ATTEMPT of RUN again from its commit, and say whether its score agrees.

    The seed is the first of its evidence, or the screening seed of an attempt that has no other. ATTEMPT 0 is
    the baseline. Exits 0 when every metric is identical to the last bit, 1 when one is not. On CPU they are.
    A whole run with the stored replies of its language model is another thing: `szilard run --replay RUN`.

    \b
    Example:
      szilard replay runs/20261123-countdown-a1b2 7
    """
    directory = find_run(run, runs_dir)

    from agent import replay as engine
    from agent.cli.view import open_view
    from workspaces.review.text import signed

    view = open_view(as_json)
    with view:
        result = engine.replay(directory, attempt, view.observe)
    if as_json:
        view.emit(
            {
                "event": "replay",
                "attempt": result.attempt,
                "seed_index": result.seed_index,
                "recorded": result.recorded,
                "replayed": result.replayed,
                "difference": result.difference,
                "identical": result.identical,
            }
        )
    else:
        outcome = (
            "Identical to the last bit."
            if result.identical
            else f"Not identical; the metric differs by {signed(result.difference)}: "
            "another device, thread count or torch would explain it."
        )
        view.note(
            f"Attempt {result.attempt}, seed {result.seed_index}: recorded {result.recorded!r}, "
            f"replayed {result.replayed!r}. {outcome}"
        )
    if not result.identical:
        sys.exit(EXIT_DIFFERENT)
