"""`szilard controls compare`: every control side by side, at equal tokens."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from agent.cli.find import folder, json_option
from agent.cli.training import Asked, training_options


@click.command("compare", short_help="Train controls side by side.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@training_options
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    callback=folder,
    default=Path("comparisons/controls"),
    show_default=True,
    help="Folder of the comparison; one that is there is gone on with.",
)
@json_option
def command(
    names: tuple[str, ...],
    asked: Asked,
    out: Path,
    as_json: bool,
) -> None:
    """Train the controls named (all, if none is) and "none" at equal tokens, and put them side by side.

    Each is tuned over the same three learning rates on seeds that are no evidence, measured on --seeds
    paired seeds, held against none at the same rate and against the frontier of learning rate and length,
    and trained once more with random rewards. Interrupt it at any time: the same command goes on.

    \b
    Examples:
      szilard controls compare --seeds 5 --minutes 30
      szilard controls compare KlCov ClipCov Gppo ClipHigher --out comparisons/clipping
    """
    from agent.cli.view import open_view
    from agent.opening import Interrupted
    from agent.studies.arms import control_arms
    from agent.studies.comparison import compare, trainings
    from agent.studies.comparison_files import markdown, write_comparison
    from agent.trials import open_trials

    arms = control_arms(names)
    settings = asked.settings("Compare entropy controls at equal tokens", out)
    view = open_view(as_json)
    until = f"; no control is begun after {asked.minutes:g} minutes" if asked.minutes else ""
    view.plan(
        [
            f"Compared: {len(arms)} settings of controls with none, at most "
            f"{trainings(len(arms), asked.seeds)} trainings{until}",
            f"Optimised: {settings.direction} {settings.metric} of {asked.environment}, "
            f"{asked.seeds} paired seeds",
            f"The comparison lives in {out}",
        ]
    )
    typed = "szilard " + shlex.join(sys.argv[1:])
    try:
        with view, open_trials(out, settings, {"names": list(names)}, view.observe) as trials:
            comparison = compare(trials, arms, view.observe)
    except Interrupted:
        view.note(f"Stopped. Go on with: {typed}")
        sys.exit(130)
    written = write_comparison(comparison, out, typed)
    if as_json:
        view.emit(
            {"event": "comparison", "files": [str(path) for path in written], "compared": comparison.compared}
        )
    else:
        view.note(f"\n{markdown(comparison, typed)}")
        view.note("Written: " + ", ".join(str(path) for path in written))
