"""Finds an environment: built in by name, one of a family by FAMILY:MEMBER, or a Python file by path.

Owns names and loading, and nothing of what an environment does.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from environments.base import Environment, EnvironmentSpec, InvalidEnvironment

DEFAULT = "countdown"
BUILT_IN = {"countdown": "environments.countdown.environment:Countdown"}
FAMILIES = {"reasoning_gym": ("DATASET", "environments.reasoning_gym.environment:ReasoningGym")}
"""Domains with many members, named FAMILY:MEMBER: what a member is called, and what is made with its name."""


def names() -> list[str]:
    return sorted([*BUILT_IN, *(f"{family}:{member}" for family, (member, _) in FAMILIES.items())])


def is_path(name: str) -> bool:
    """Whether this names a file and not a built-in environment."""
    return name.endswith(".py")


def load(name: str, policy: str | None = None) -> Environment:
    """The environment of that name, or the one that a Python file defines.

    With `policy`, a folder or a name in the Hugging Face cache, it starts from that instead of its own.

    Raises:
        InvalidEnvironment: there is none (names the nearest), the file defines none, or it cannot take the
            policy.
    """
    environment = _load(name)
    return environment if policy is None else environment.with_policy(policy)


def _load(name: str) -> Environment:
    if is_path(name):
        return _from_file(Path(name))
    family, _, member = name.partition(":")
    if family in FAMILIES and member:
        made: Environment = _attribute(FAMILIES[family][1])(member)
        return made
    if name not in BUILT_IN:
        nearest = difflib.get_close_matches(name or DEFAULT, names(), n=1, cutoff=0.0)
        raise InvalidEnvironment(
            f"There is no environment {name!r}. The nearest is {nearest[0]!r}; "
            "`szilard env list` shows them all."
        )
    environment: Environment = _attribute(BUILT_IN[name])()
    return environment


def _attribute(place: str) -> Any:
    module, attribute = place.split(":")
    return getattr(importlib.import_module(module), attribute)


def _from_file(path: Path) -> Environment:
    spec = importlib.util.spec_from_file_location(f"szilard_environment_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise InvalidEnvironment(f"{path} is not a Python file that defines an environment.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[spec.name]
        raise InvalidEnvironment(f"{path} cannot be loaded: {type(error).__name__}: {error}") from error
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Environment) and value.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise InvalidEnvironment(f"{path} must define one environment class, it defines {len(found)}.")
    try:
        environment = found[0]()
    except TypeError as error:
        raise InvalidEnvironment(f"{path} defines an incomplete environment: {error}") from error
    if not isinstance(getattr(environment, "spec", None), EnvironmentSpec):
        raise InvalidEnvironment(f"{path}: {found[0].__name__} has no `spec`; give it an EnvironmentSpec.")
    return environment
