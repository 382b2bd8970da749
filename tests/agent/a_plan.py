"""The settings of a small run of countdown, planned and not begun."""

from __future__ import annotations

from pathlib import Path

from agent.plan import plan
from agent.settings import RunSettings


def planned(
    runs_dir: Path,
    metric: str | None = None,
    guards: dict[str, float] | None = None,
    attempts: int = 2,
    minutes: float | None = None,
    seeds: int = 2,
    training_seconds: float | None = None,
    policy: Path | None = None,
) -> RunSettings:
    return plan(
        goal="Solve more",
        environment="countdown",
        policy=None if policy is None else str(policy),
        metric=metric,
        guards=guards,
        attempts=attempts,
        minutes=minutes,
        seeds=seeds,
        training_seconds=training_seconds,
        workers=1,
        device="cpu",
        researcher="catalogue",
        model=None,
        search="hill-climb",
        runs_dir=runs_dir,
        name="a-run",
        seed=0,
        sandbox="none",
        keep_policies=False,
    )
