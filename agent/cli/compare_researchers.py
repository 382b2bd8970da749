"""`szilard compare-researchers`: who gets furthest with the same training seconds."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent.cli.find import (
    MOST_SEEDS,
    device_option,
    finite,
    folder,
    json_option,
    sandbox_option,
    workers_option,
)

if TYPE_CHECKING:
    from agent.settings import RunSettings

RESEARCHERS = ("random", "tpe", "catalogue", "language-model", "hybrid")


@click.command("compare-researchers", short_help="Hold researchers against each other.")
@click.argument("researchers", nargs=-1, type=click.Choice(RESEARCHERS), metavar="[RESEARCHER]...")
@click.option(
    "--training-seconds",
    type=click.FloatRange(min=0, min_open=True),
    callback=finite,
    required=True,
    help="Seconds of all trainings of a run, those of its baseline and confirmation included.",
)
@click.option(
    "--runs",
    type=click.IntRange(min=1, max=MOST_SEEDS),
    default=5,
    show_default=True,
    help="Runs of each researcher, each on a seed of its own.",
)
@click.option(
    "--attempts",
    type=click.IntRange(min=1),
    default=40,
    show_default=True,
    help="Most attempts of a run; alpha is shared out by it.",
)
@click.option("--environment", default="countdown", show_default=True, help="Domain: see `szilard env list`.")
@click.option("--model", help="Language model, for language-model and hybrid.")
@click.option(
    "--seeds", type=click.IntRange(min=2, max=MOST_SEEDS), help="Evidence seeds.  [default: the domain's]"
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the first run of each.")
@workers_option
@device_option
@sandbox_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    callback=folder,
    default=Path("comparisons/researchers"),
    show_default=True,
    help="Folder of the comparison and its runs; one that is there is gone on with.",
)
@click.option("--dry-run", is_flag=True, help="Say what it would do and cost, and write nothing.")
@json_option
def command(
    researchers: tuple[str, ...],
    training_seconds: float,
    runs: int,
    attempts: int,
    environment: str,
    model: str | None,
    seeds: int | None,
    seed: int,
    workers: int | None,
    device: str,
    sandbox: str,
    out: Path,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Let each RESEARCHER (random, tpe and catalogue, if none is named) make runs of equal training seconds.

    All make as many runs on the same seeds, whose baselines are trained once. What had been kept at each
    second of training is drawn with its interval over seeds, and held against the first researcher, paired by
    seed. Interrupt it at any time: the same command goes on, also with more --runs or another researcher.

    \b
    Examples:
      szilard compare-researchers --training-seconds 1800 --dry-run
      szilard compare-researchers random hybrid --training-seconds 1800 --model NAME
    """
    from agent.cli.view import open_view
    from agent.opening import Interrupted
    from agent.plan import plan
    from agent.settings import ASKING_A_MODEL
    from agent.studies.researchers import plan_runs, run_all
    from agent.studies.researchers_files import markdown, write_researchers
    from agent.trials import SETTINGS_FILE, claim

    names = tuple(dict.fromkeys(researchers)) or RESEARCHERS[:3]
    asks = [name for name in names if name in ASKING_A_MODEL]
    if asks and model is None:
        raise click.UsageError(f"{asks[0]} needs --model NAME.")
    planned_by = max(names, key=lambda name: (name in asks, name == "tpe"))
    settings = plan(
        goal=f"Compare researchers on {environment}",
        environment=environment,
        metric=None,
        guards=None,
        attempts=attempts,
        minutes=None,
        seeds=seeds,
        workers=workers,
        device=device,
        researcher=planned_by,
        model=model if asks else None,
        search="hill-climb",
        runs_dir=out / "runs",
        name=None,
        seed=seed,
        sandbox=sandbox,
        keep_policies=False,
        training_seconds=training_seconds,
    )
    view = open_view(as_json)
    view.plan(_told(settings, names, runs, out))
    if dry_run:
        return
    out.mkdir(parents=True, exist_ok=True)
    claim(
        out / SETTINGS_FILE,
        settings.model_dump(mode="json", exclude={"secret", "researcher", "model", "seed", "name"}),
    )
    typed = "szilard " + shlex.join(sys.argv[1:])
    try:
        with view:
            courses = run_all(plan_runs(settings, names, runs), out, view.observe)
    except Interrupted:
        view.note(f"Stopped. Go on with: {typed}")
        sys.exit(130)
    written = write_researchers(courses, settings.metric, names[0], out, typed)
    if as_json:
        view.emit({"event": "comparison", "files": [str(path) for path in written], "compared": list(names)})
    else:
        view.note(f"\n{markdown(courses, settings.metric, names[0], typed)}")
        view.note("Written: " + ", ".join(str(path) for path in written))


def _told(settings: RunSettings, names: tuple[str, ...], runs: int, out: Path) -> list[str]:
    """What is compared and what it costs at most, one line each."""
    total = len(names) * runs * (settings.training_seconds or 0.0)
    hours = total / settings.workers / 3600
    return [
        f"Compared: {', '.join(names)}; {runs} runs each, of at most {settings.attempts} attempts",
        f"Optimised: {settings.direction} {settings.metric} of {settings.environment}, "
        f"{settings.seeds} evidence seeds",
        "By: the gain of the incumbent, as selection sees it, at each second of training; "
        "at the end the confirmed change",
        f"Cost: at most {settings.training_seconds:g} training seconds a run, {total:,.0f} in all: "
        f"about {hours:.1f} hours on {settings.workers} workers, less what runs of a seed share",
        f"The comparison and its runs live in {out}",
    ]
