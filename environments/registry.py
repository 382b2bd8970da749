"""Finds an environment by name.

Owns names, and nothing of what an environment does.
"""

from __future__ import annotations

import difflib
import importlib

from environments.base import Environment, InvalidEnvironment

BUILT_IN = {"countdown": "environments.countdown.environment:Countdown"}


def names() -> list[str]:
    return sorted(BUILT_IN)


def load(name: str) -> Environment:
    """The environment of that name.

    Raises:
        InvalidEnvironment: there is none; names the nearest.
    """
    if name not in BUILT_IN:
        nearest = difflib.get_close_matches(name, names(), n=1, cutoff=0.0)
        raise InvalidEnvironment(
            f"There is no environment {name!r}. The nearest is {nearest[0]!r}; "
            "`szilard env list` shows them all."
        )
    module, attribute = BUILT_IN[name].split(":")
    environment: Environment = getattr(importlib.import_module(module), attribute)()
    return environment
