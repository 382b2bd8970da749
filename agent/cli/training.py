"""The options of a verb that trains codes side by side, the same for every such verb."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent.cli.find import MOST_SEEDS, device_option, finite, sandbox_option, workers_option

if TYPE_CHECKING:
    from agent.settings import TrainingSettings

_OPTIONS = (
    click.option(
        "--environment", default="countdown", show_default=True, help="Domain: see `szilard env list`."
    ),
    click.option(
        "--seeds",
        type=click.IntRange(min=2, max=MOST_SEEDS),
        default=5,
        show_default=True,
        help="Evidence seeds of an arm.",
    ),
    click.option(
        "--minutes",
        type=click.FloatRange(min=0, min_open=True),
        callback=finite,
        help="Begin no further arm after this many minutes.",
    ),
    workers_option,
    device_option,
    sandbox_option,
    click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything random."),
)


@dataclass(frozen=True)
class Asked:
    """What was asked of such a verb by the options that all of them share."""

    environment: str
    seeds: int
    minutes: float | None
    workers: int | None
    device: str
    sandbox: str
    seed: int

    def settings(self, goal: str, out: Path) -> TrainingSettings:
        """Raises what `plan_training` raises, and InvalidOption where the domain has no controls."""
        from agent.plan import plan_training
        from agent.settings import InvalidOption
        from agent.studies.arms import ENTROPY_CONTROL, RECIPE
        from environments.registry import load

        settings = plan_training(
            goal=goal,
            environment=self.environment,
            metric=None,
            guards=None,
            minutes=self.minutes,
            seeds=self.seeds,
            workers=self.workers,
            device=self.device,
            folder=out,
            seed=self.seed,
            sandbox=self.sandbox,
            name=out.name,
        )
        if not settings.trains_policy:
            raise InvalidOption(
                f"{self.environment} trains no policy, so it has no entropy controls to compare: "
                "`szilard run` with --model researches it."
            )
        template = load(settings.environment).workspace_template()
        missing = next((file for file in (ENTROPY_CONTROL, RECIPE) if file not in template), None)
        if missing is not None:
            raise InvalidOption(
                f"The template of {self.environment} has no {missing}, so it takes no controls to "
                "compare: `szilard run` with --model researches it."
            )
        return settings


def training_options(command: Callable[..., None]) -> Callable[..., None]:
    """--environment, --seeds, --minutes, --workers, --device, --sandbox and --seed, as `asked`."""

    @functools.wraps(command)
    def gathered(**given: Any) -> None:
        asked = Asked(**{field.name: given.pop(field.name) for field in fields(Asked)})
        command(asked=asked, **given)

    decorated: Callable[..., None] = gathered
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated
