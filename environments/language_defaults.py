"""What a language domain need not say: policy, budget, globs, metrics and guards, read off the template.

Owns these defaults; whoever knows better passes another value.
"""

from __future__ import annotations

import atexit
import re
import shutil
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from environments.base import EnvironmentSpec, Guard, InvalidEnvironment

TEMPLATES = Path(__file__).parent.parent / "workspaces" / "templates"
RECIPE = TEMPLATES / "grpo" / "recipe.py"
PASS_AT = (1, 2, 4, 8, 16)
PASS_METRICS = ("mean_pass_at_k", *(f"pass_at_{k}" for k in PASS_AT))
MEANINGS = {
    "mean_pass_at_k": f"mean of pass@k over k = {', '.join(map(str, PASS_AT))} on tasks never trained on",
    "mean_reward": "mean reward of a sample on tasks never trained on",
}
MAX_TOKENS = 13
USUAL = {"STEPS": 150, "PROMPTS": 16, "SAMPLES": 8, "MINIBATCHES": 2}
"""The constants of the recipe that decide the budget; a sandbox hides the recipe, so they stand here too."""

USUAL_TOKENS, USUAL_SECONDS, START_SECONDS = 150 * 16 * 8 * 13, 9.0, 3.0


def language_spec(
    name: str,
    description: str,
    *,
    max_tokens: int = MAX_TOKENS,
    recipe: Mapping[str, float] | None = None,
    metric: str = "mean_pass_at_k",
    **other: Any,
) -> EnvironmentSpec:
    """The spec of a domain of prompts and rewards; `other` are fields of EnvironmentSpec that differ.

    `max_tokens` and `recipe` are those of the class: the budget follows from them. `metric` is
    "mean_pass_at_k" or a pass_at_k for rewards that are 0 or 1, "mean_reward" for those between.
    """
    budget = budget_of(recipe or {}, max_tokens)
    metrics = PASS_METRICS if metric in PASS_METRICS else (metric, *PASS_METRICS)
    filled: dict[str, Any] = {
        "version": "1",
        "metric_meaning": MEANINGS.get(metric, f"{metric} on tasks never trained on"),
        "direction": "maximise",
        "range": (0.0, 1.0),
        "metrics": metrics,
        "guards": (Guard("pass_at_1", 0.02),) if metric == "mean_pass_at_k" else (),
        "editable": ("recipe.py", "entropy_control.py", "controls/*.py"),
        "protected": ("train.py", "session.py", "README.md"),
        "train_command": ("python", "train.py"),
        "budget": budget,
        "seconds_per_attempt": round(START_SECONDS + USUAL_SECONDS * budget["tokens"] / USUAL_TOKENS, 1),
        "seeds": 12,
    }
    return EnvironmentSpec(name=name, description=description, metric=metric, **{**filled, **other})


def budget_of(recipe: Mapping[str, float], max_tokens: int) -> dict[str, int]:
    """What the template spends with these constants of its recipe."""
    constants = {name: int(recipe.get(name, usual)) for name, usual in USUAL.items()}
    rollouts = constants["STEPS"] * constants["PROMPTS"] * constants["SAMPLES"]
    return {"tokens": rollouts * max_tokens, "updates": constants["STEPS"] * constants["MINIBATCHES"]}


def with_constants(recipe: str, constants: Mapping[str, float]) -> str:
    """The text of a recipe with other values of some of its constants.

    Raises:
        InvalidEnvironment: it has no such constant.
    """
    for name, value in constants.items():
        line = rf"^{re.escape(name)} = \S+"
        if not re.search(line, recipe, re.M):
            known = ", ".join(re.findall(r"^([A-Z_]+) = ", recipe, re.M))
            raise InvalidEnvironment(f"The recipe has no constant {name!r}; it has {known}.")
        recipe = re.sub(line, f"{name} = {value:g}", recipe, flags=re.M)
    return recipe


def recipe_with(constants: Mapping[str, float]) -> Path:
    """The template's recipe with other constants, in a file that lives as long as this process.

    Raises:
        InvalidEnvironment: the recipe has no such constant.
    """
    return _written(with_constants(RECIPE.read_text(), constants))


@cache
def _written(recipe: str) -> Path:
    folder = tempfile.mkdtemp(prefix="szilard-recipe-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = Path(folder, RECIPE.name)
    path.write_text(recipe)
    return path


def policy_folder(policy: str | Path, beside: Path) -> Path:
    """The policy that ships with the domain of that name, or a folder; a relative one lies in `beside`.

    Raises:
        InvalidEnvironment: there is neither.
    """
    rooms = Path(__file__).parent
    shipped = {folder.parent.name: folder for folder in sorted(rooms.glob("*/policy"))}
    if str(policy) in shipped:
        return shipped[str(policy)]
    folder = beside / policy
    if not (folder / "config.json").is_file():
        raise InvalidEnvironment(
            f"There is no policy {str(policy)!r}: {', '.join(shipped)} are shipped, "
            f"and {folder} has no config.json."
        )
    return folder
