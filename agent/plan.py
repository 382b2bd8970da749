"""From what was typed to the settings of a run.

Owns validation of the options of a run and of other trainings; it trains nothing and writes nothing.
"""

from __future__ import annotations

import os
import platform
import secrets
import shutil
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal, cast

from agent import own_controls
from agent.adapter_check import require_sound
from agent.closing_seeds import LEAST_CONFIRMATION_SEEDS
from agent.measurement_keys import policy_hash
from agent.program import Program
from agent.replaying import replayed, require_alike
from agent.researchers.choice import researcher_of
from agent.researchers.prices import known_price
from agent.settings import (
    ASKING_A_MODEL,
    GuardSetting,
    InvalidOption,
    Researchers,
    RunSettings,
    Search,
    TrainingSettings,
)
from environments.base import EnvironmentSpec
from environments.registry import is_path, load
from workspaces.redaction import redacted

SHOWN_VERSIONS = ("szilard", "torch", "langgraph", "gitpython")
MOST_GUARDS = 3
USUAL_WORKERS = 2


def plan(
    *,
    goal: str,
    environment: str,
    metric: str | None,
    guards: Mapping[str, float] | None,
    attempts: int,
    minutes: float | None,
    seeds: int | None,
    workers: int | None,
    device: str,
    researcher: str,
    model: str | None,
    search: str,
    runs_dir: Path,
    name: str | None,
    seed: int,
    sandbox: str,
    keep_policies: bool,
    force: bool = False,
    controls: Sequence[Path] = (),
    minimum_effect: float | None = None,
    training_seconds: float | None = None,
    tokens: int | None = None,
    dollars: float | None = None,
    price: tuple[float, float] | None = None,
    accept_self_reported: bool = False,
    policy: str | None = None,
    replay: Path | None = None,
    program: Program | None = None,
) -> RunSettings:
    """Check the options of a run.

    Raises:
        SzilardError: one of them cannot be had; the message says which and what can.
    """
    if not goal.strip():
        raise InvalidOption('The goal is empty: say in words what should get better, e.g. szilard run "…".')
    if attempts < 1:
        raise InvalidOption("A run needs at least 1 attempt.")
    if researcher not in ASKING_A_MODEL and (tokens or dollars or price):
        raise InvalidOption(
            f"--tokens, --dollars and --price bound a language model; the {researcher} researcher asks none."
        )
    if price is None and replay is not None:
        price = replayed(replay).price
    elif price is None and model is not None:
        price = known_price(model, os.environ)
    if dollars is not None and price is None:
        raise InvalidOption(
            f"--dollars needs --price IN/OUT, since no price of {model} is known: dollars for a million "
            "tokens, such as 0.15/0.60."
        )
    training = plan_training(
        goal=redacted(goal.strip()),
        environment=environment,
        metric=metric,
        guards=guards,
        minutes=minutes,
        seeds=seeds,
        workers=workers,
        device=device,
        folder=runs_dir,
        seed=seed,
        sandbox=sandbox,
        policy=policy,
    )
    if training.self_reported and not accept_self_reported:
        raise InvalidOption(
            f"{training.metric} is self-reported: the code that is edited prints it about itself, so an edit "
            "may raise it without doing better. Add --accept-self-reported to go on all the same: every "
            "verdict and page will say so. Better: leave an artefact, and score it by a protected command."
        )
    if not training.trains_policy and researcher not in ("language-model", "command"):
        raise InvalidOption(
            f"The {researcher} researcher chooses among entropy controls, and {environment} has none: name a "
            "language model that proposes edits, --model NAME (with OPENAI_API_KEY or OPENAI_BASE_URL), or a "
            "program, --researcher command."
        )
    settings = RunSettings(
        **dict(training)
        | {
            "name": _name(name, runs_dir, load(training.environment).spec.name),
            "minimum_effect": training.minimum_effect if minimum_effect is None else minimum_effect,
        },
        attempts=attempts,
        training_seconds=training_seconds,
        tokens=tokens,
        dollars=dollars,
        price=price,
        confirmation_seeds=max(LEAST_CONFIRMATION_SEEDS, 4 * training.seeds // 3),
        researcher=cast(Researchers, researcher),
        model=model,
        replays=None if replay is None else str(replay.resolve()),
        program=program,
        search=cast(Search, search),
        keep_policies=keep_policies,
        force=force,
        controls=own_controls.names_of(controls, load(training.environment)) if controls else (),
    )
    require_alike(settings)
    researcher_of(settings)
    return settings


def plan_training(
    *,
    goal: str,
    environment: str,
    metric: str | None,
    guards: Mapping[str, float] | None,
    minutes: float | None,
    seeds: int | None,
    workers: int | None,
    device: str,
    folder: Path,
    seed: int,
    sandbox: str,
    name: str = "",
    policy: str | None = None,
) -> TrainingSettings:
    """Check the options of whatever trains a domain below `folder`; without `workers` two, or fewer cores.

    Raises:
        SzilardError: one of them cannot be had; the message says which and what can.
    """
    from workspaces.git_command import require_git
    from workspaces.sandbox import choose_sandbox

    require_git()
    if is_path(environment):
        environment = str(Path(environment).resolve())
    require_sound(environment)
    domain = load(environment, policy)
    spec = domain.spec
    start = domain.starting_policy() if spec.trains_policy else None
    seeds = spec.seeds if seeds is None else seeds
    workers = min(os.cpu_count() or 1, USUAL_WORKERS) if workers is None else workers
    if seeds < 2 or workers < 1:
        raise InvalidOption("A comparison of trainings needs at least 2 evidence seeds and 1 worker.")
    _refuse_visible(folder)
    return TrainingSettings(
        name=name,
        goal=goal,
        environment=environment,
        environment_version=spec.version,
        policy=None if policy is None else str(start),
        policy_hash=None if policy is None else policy_hash(domain),
        metric=_known_metric(metric or spec.metric, spec),
        direction=spec.direction,
        guards=_guards(guards, spec),
        minimum_effect=spec.minimum_effect,
        minutes=minutes,
        seeds=seeds,
        workers=workers,
        device=_device(device),
        sandbox=choose_sandbox(sandbox).tier,
        seed=seed,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions={"python": platform.python_version(), **{name: version(name) for name in SHOWN_VERSIONS}},
        trains_policy=spec.trains_policy,
        self_reported=spec.self_reported,
        deterministic=spec.deterministic,
        confirmed_on=spec.confirmed_on,
    )


def _name(name: str | None, runs_dir: Path, environment: str) -> str:
    if name is None:
        return f"{datetime.now(UTC):%Y%m%d}-{environment.replace(':', '-')}-{secrets.token_hex(2)}"
    if not name or name.startswith((".", "-")) or any(c in "/\\\0" or not c.isprintable() for c in name):
        raise InvalidOption(f"{name!r} cannot name a run: use letters, digits, '.', '_' and '-'.")
    if (runs_dir / name).exists():
        raise InvalidOption(
            f"{runs_dir / name} exists already. Go on with it by `szilard resume {runs_dir / name}`, "
            "or choose another --name."
        )
    return name


def _refuse_visible(runs_dir: Path) -> None:
    """A run's secret lies in its folder, so that must not be where the sandbox sees the system."""
    resolved = runs_dir.resolve()
    seen = [Path("/usr"), *(Path(prefix).resolve() for prefix in (sys.prefix, sys.base_prefix))]
    for folder in seen:
        if resolved.is_relative_to(folder):
            raise InvalidOption(
                f"{resolved} lies below {folder}, which code under research can read: "
                "choose another --runs-dir."
            )


def _known_metric(metric: str, spec: EnvironmentSpec) -> str:
    """The metric as the domain writes it: pass@1 is another way to write pass_at_1."""
    plain = metric.replace("@", "_at_")
    known = next((name for name in (metric, plain) if name in spec.metrics), None)
    if known is None:
        short = min((name for name in spec.metrics if "_at_" in name), key=len, default=None)
        also = f" ({short.replace('_at_', '@')} means {short})" if short else ""
        raise InvalidOption(f"{spec.name} has no metric {metric!r}. It has: {', '.join(spec.metrics)}{also}.")
    return known


def _guards(guards: Mapping[str, float] | None, spec: EnvironmentSpec) -> tuple[GuardSetting, ...]:
    asked = guards if guards is not None else {g.metric: g.tolerance for g in spec.guards}
    known = [_known_metric(metric, spec) for metric in asked]
    twice = next((metric for metric in known if known.count(metric) > 1), None)
    if twice is not None:
        raise InvalidOption(f"The guard {twice} is given twice: keep one tolerance.")
    asked = dict(zip(known, asked.values(), strict=True))
    if len(asked) > MOST_GUARDS:
        raise InvalidOption(
            f"{len(asked)} guards are too many: each one turns down true gains too. Keep the {MOST_GUARDS} "
            "that must not be lost; every other metric is reported all the same."
        )
    return tuple(GuardSetting(metric=metric, tolerance=tolerance) for metric, tolerance in asked.items())


def _device(device: str) -> Literal["cpu", "cuda"]:
    if device == "cpu" or (device == "auto" and shutil.which("nvidia-smi") is None):
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if device == "auto":
        return "cpu"
    raise InvalidOption(
        "--device cuda: torch sees no CUDA device. Install a CUDA build of torch, or use --device cpu."
    )
