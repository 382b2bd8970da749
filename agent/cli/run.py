"""`szilard run`: pursue a goal to its end."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from agent.cli.find import (
    MOST_SEEDS,
    device_option,
    find_run,
    finite,
    json_option,
    runs_dir_option,
    sandbox_option,
    workers_option,
)
from agent.cli.program_options import program_from, program_options


def _guards(
    ctx: click.Context, parameter: click.Parameter, given: tuple[str, ...]
) -> dict[str, float] | None:
    guards: dict[str, float] = {}
    for text in given:
        metric, equals, tolerance = text.rpartition("=")
        try:
            value = float(tolerance)
        except ValueError:
            value = math.nan
        if not (metric and equals and math.isfinite(value) and value >= 0):
            raise click.BadParameter(f"{text!r} is not METRIC=TOLERANCE, such as pass@1=0.02", ctx, parameter)
        if metric in guards:
            raise click.BadParameter(f"{metric} is given twice", ctx, parameter)
        guards[metric] = value
    return guards or None


def _price(ctx: click.Context, parameter: click.Parameter, given: str | None) -> tuple[float, float] | None:
    if given is None:
        return None
    try:
        asked, said = map(float, given.split("/"))
    except ValueError:
        asked = said = math.nan
    if not (math.isfinite(asked) and math.isfinite(said) and min(asked, said) >= 0 < max(asked, said)):
        raise click.BadParameter(f"{given!r} is not IN/OUT, such as 0.15/0.60", ctx, parameter)
    return asked, said


@click.command(short_help="Pursue a goal to a confirmed winner.")
@click.argument("goal")
@click.option(
    "--environment",
    default="countdown",
    show_default=True,
    help="Domain: see `szilard env list`, or a .py or .toml file.",
)
@click.option(
    "--policy",
    metavar="FOLDER|NAME",
    help="Start from this Hugging Face causal model (safetensors): a folder, or a name in the cache on disk."
    "  [default: the domain's own]",
)
@click.option("--metric", help="What to optimise, such as pass@16; by default what the environment says.")
@click.option(
    "--guard",
    "guards",
    multiple=True,
    callback=_guards,
    metavar="METRIC=TOLERANCE",
    help="A metric that must not get worse than the baseline's by more than this, such as pass@1=0.02;"
    " repeatable.",
)
@click.option(
    "--minimum-effect",
    type=click.FloatRange(min=0),
    callback=finite,
    help="Keep only what gains more than this, in units of the metric.  [default: the domain's]",
)
@click.option(
    "--attempts",
    type=click.IntRange(min=1),
    default=12,
    show_default=True,
    help="Proposals to carry through.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    callback=finite,
    help="Minutes of the whole run: no attempt is started that would leave too few to confirm the winner.",
)
@click.option(
    "--training-seconds",
    type=click.FloatRange(min=0, min_open=True),
    callback=finite,
    help="Seconds of all trainings together: no attempt is started that would leave too few to confirm.",
)
@click.option(
    "--tokens", type=click.IntRange(min=1), help="Tokens of the language model, prompts and replies."
)
@click.option(
    "--dollars",
    type=click.FloatRange(min=0, min_open=True),
    callback=finite,
    help="What the language model may cost, by --price.",
)
@click.option(
    "--price",
    callback=_price,
    metavar="IN/OUT",
    help="Dollars for a million tokens of prompts and of replies, such as 0.15/0.60."
    "  [default: the list price, where one is known]",
)
@click.option(
    "--seeds",
    type=click.IntRange(min=2, max=MOST_SEEDS),
    default=None,
    help="Evidence seeds of an attempt that looks promising; the confirmation takes a third more, at least 5."
    "  [default: the domain's, 12 for countdown]",
)
@workers_option
@device_option
@click.option(
    "--researcher",
    type=click.Choice(["catalogue", "language-model", "random", "tpe", "hybrid", "command"]),
    help="Who proposes; random and tpe are baselines that know options, not meanings, hybrid is tpe overruled"
    " now and then by --model; command is a program."
    "  [default: catalogue; language-model with --model]",
)
@click.option("--model", help="Language model that proposes; needs OPENAI_API_KEY or OPENAI_BASE_URL.")
@program_options
@click.option(
    "--replay",
    metavar="RUN",
    help="Ask no model: give again the replies that RUN got to the same questions."
    " (`szilard replay` is something else: it trains an attempt again.)",
)
@click.option(
    "--search",
    type=click.Choice(["hill-climb", "tree"]),
    default="hill-climb",
    show_default=True,
    help="Which attempt to build on: the best one kept, or in a tree any that was scored.",
)
@click.option(
    "--control",
    "controls",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A control of your own: checked, then tried first by the catalogue; repeatable.",
)
@runs_dir_option
@click.option("--name", help="Name of the run; by default made from date and environment.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything random in the run.")
@sandbox_option
@click.option(
    "--accept-self-reported",
    is_flag=True,
    help="Go on although the code that is edited prints the metric about itself.",
)
@click.option("--keep-policies", is_flag=True, help="Keep the policies of attempts that were not kept.")
@click.option(
    "--force",
    is_flag=True,
    help="Run even where the assessment finds the domain unsuitable; the report says so.",
)
@click.option("--dry-run", is_flag=True, help="Say what the run would do and cost, and write nothing.")
@json_option
def command(
    goal: str,
    environment: str,
    policy: str | None,
    metric: str | None,
    guards: dict[str, float] | None,
    minimum_effect: float | None,
    attempts: int,
    minutes: float | None,
    training_seconds: float | None,
    tokens: int | None,
    dollars: float | None,
    price: tuple[float, float] | None,
    seeds: int | None,
    workers: int | None,
    device: str,
    researcher: str | None,
    model: str | None,
    replay: str | None,
    search: str,
    controls: tuple[Path, ...],
    runs_dir: Path,
    name: str | None,
    seed: int,
    sandbox: str,
    accept_self_reported: bool,
    keep_policies: bool,
    force: bool,
    dry_run: bool,
    as_json: bool,
    **of_program: Any,
) -> None:
    """Pursue GOAL: train a baseline, try changes, keep what survives noise, confirm the winner.

    GOAL is for researchers, human or not, to read. What is optimised is said by --metric and --guard,
    and is printed before anything is trained.

    \b
    Example:
      szilard run "Solve more countdown problems in up to 16 tries" --attempts 8 --guard pass@1=0.02
      szilard run "Sum the primes faster" --environment ./primes.toml --model NAME
      szilard run "Answer more in up to 16 tries" --environment reasoning_gym:spell_backward
      szilard run "Answer more in up to 16 tries" --environment reasoning_gym:maze --policy ./my-model
    """
    from agent.settings import ASKING_A_MODEL

    if replay is not None and (researcher, model) != (None, None):
        raise click.UsageError(
            "--replay takes the model of the other run: leave --model and --researcher away."
        )
    if researcher not in (None, *ASKING_A_MODEL) and model is not None:
        raise click.UsageError(
            f"--model names a language model, but --researcher is {researcher}: leave one away."
        )
    if researcher in ASKING_A_MODEL and model is None:
        raise click.UsageError(f"--researcher {researcher} needs --model NAME.")
    program = program_from(researcher, **of_program)

    from agent import own_controls
    from agent import run as engine
    from agent.announcement import describe
    from agent.cli.check_control import summary_of
    from agent.cli.view import open_view
    from agent.plan import plan
    from agent.replaying import replayed

    replays = None if replay is None else find_run(replay, runs_dir)
    if replays is not None:
        other = replayed(replays)
        model, researcher = other.model, other.researcher
    settings = plan(
        goal=goal,
        environment=environment,
        policy=policy,
        metric=metric,
        guards=guards,
        attempts=attempts,
        minutes=minutes,
        seeds=seeds,
        workers=workers,
        device=device,
        researcher=researcher or ("language-model" if model is not None else "catalogue"),
        model=model,
        replay=replays,
        search=search,
        runs_dir=runs_dir,
        name=name,
        seed=seed,
        sandbox=sandbox,
        keep_policies=keep_policies,
        force=force,
        controls=controls,
        minimum_effect=minimum_effect,
        training_seconds=training_seconds,
        tokens=tokens,
        dollars=dollars,
        price=price,
        accept_self_reported=accept_self_reported,
        program=program,
    )
    view = open_view(as_json)
    for checked in own_controls.check(controls, settings.sandbox):
        view.note(summary_of(checked))
    view.plan(describe(settings))
    if dry_run:
        return
    directory = runs_dir / settings.name
    view.note(f"The run lives in {directory}")
    try:
        with view:
            summary = engine.start(settings, runs_dir, view.observe, controls)
    except engine.Interrupted as error:
        view.interrupted(str(error), directory)
    else:
        view.summary(summary)
