"""Finds an environment: built in by name, or a Python file by path.

Owns names and loading, and nothing of what an environment does.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
from pathlib import Path

from environments.base import Environment, EnvironmentSpec, InvalidEnvironment

BUILT_IN = {
    "countdown": "environments.countdown.environment:Countdown",
    "melody": "environments.melody.environment:MelodyEnvironment",
}


def names() -> list[str]:
    return sorted(BUILT_IN)


def is_path(name: str) -> bool:
    """Whether this names a file and not a built-in environment."""
    return name.endswith(".py")


def load(name: str) -> Environment:
    """The environment of that name, or the one that a Python file defines.

    Raises:
        InvalidEnvironment: there is none (names the nearest), or the file defines none.
    """
    if is_path(name):
        return _from_file(Path(name))
    if name not in BUILT_IN:
        nearest = difflib.get_close_matches(name, names(), n=1, cutoff=0.0)
        raise InvalidEnvironment(
            f"There is no environment {name!r}. The nearest is {nearest[0]!r}; "
            "`szilard env list` shows them all."
        )
    module, attribute = BUILT_IN[name].split(":")
    environment: Environment = getattr(importlib.import_module(module), attribute)()
    return environment


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
