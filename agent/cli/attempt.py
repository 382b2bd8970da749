"""`szilard attempt`: a person's own change, judged as any other."""

from __future__ import annotations

from pathlib import Path

import click

from agent.cli.find import find_run, finite, json_option, runs_dir_option


@click.command(short_help="Let a run try a change of your own.")
@click.argument("run")
@click.option(
    "--from",
    "source",
    required=True,
    metavar="BRANCH|DIFF",
    help="A branch or commit of the run's repository, one of a clone as CLONE#BRANCH, or a patch file.",
)
@click.option("--hypothesis", help="What should help, in one line.  [default: the commit's subject]")
@click.option("--mechanism", help="Why it should help.")
@click.option(
    "--predicted-score-change", type=float, callback=finite, help="The change of the metric you expect."
)
@click.option(
    "--predicted-entropy",
    type=click.FloatRange(min=0, max=20),
    callback=finite,
    help="The final entropy you expect, nats a token.",
)
@runs_dir_option
@json_option
def command(
    run: str,
    source: str,
    hypothesis: str | None,
    mechanism: str | None,
    predicted_score_change: float | None,
    predicted_entropy: float | None,
    runs_dir: Path,
    as_json: bool,
) -> None:
    """Carry a change of your own through RUN: edited, checked, trained, scored and decided as any other.

    Only editable files may differ. A run that another process works on takes it as its next attempt; one that
    has ended is given one attempt more, from the alpha that it has left, and ends again.

    \b
    Examples:
      szilard attempt runs/20261123-countdown-a1b2 --from my-idea.diff --hypothesis "Longer groups help"
      szilard attempt runs/20261123-countdown-a1b2 --from ../clone#my-idea --predicted-score-change 0.01
    """
    directory = find_run(run, runs_dir)

    from agent import inbox, offer
    from agent import run as engine
    from agent.cli.view import open_view
    from agent.ownership import HeldElsewhere
    from agent.state_files import Clock
    from environments.base import SzilardError
    from workspaces.spending import CLOCK_FILE

    said = offer.Said(hypothesis, mechanism, predicted_score_change, predicted_entropy)
    name = offer.leave(directory, source, said)
    view = open_view(as_json, Clock(directory / CLOCK_FILE).seconds)
    try:
        with view:
            summary = engine.try_offers(directory, view.observe)
    except HeldElsewhere:
        view.note(
            f"{directory} is being worked on: your change waits there and is its next attempt, if it makes "
            f"another; see `szilard status {directory}`."
        )
        return
    except engine.Interrupted as error:
        view.interrupted(str(error), directory)
    except SzilardError:
        inbox.withdraw(directory, name)
        raise
    if summary is not None:
        view.summary(summary)
    view.note(offer.outcome(directory, name))
