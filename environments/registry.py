"""Finds an environment: built in, one of a family by FAMILY:MEMBER, an entry point of a package, or a file.

Owns names and loading, and nothing of what an environment does. Whatever is wrong with one is said in a
sentence with file and line, and leaves the others alone.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from environments.base import (
    CONTRACT,
    CONTRACT_CHANGES,
    Environment,
    EnvironmentSpec,
    InvalidEnvironment,
)
from environments.blame import file_of, line_of, place_of, place_of_error, raised

DEFAULT = "countdown"
BUILT_IN = {
    "countdown": "environments.countdown.environment:Countdown",
    "language_model": "environments.language_model.environment:LanguageModel",
    "melody": "environments.melody.environment:MelodyEnvironment",
}
FAMILIES = {"reasoning_gym": ("DATASET", "environments.reasoning_gym.environment:ReasoningGym")}
"""Domains with many members, named FAMILY:MEMBER: what a member is called, and what is made with its name."""

ENTRY_POINTS = "szilard.environments"


@dataclass(frozen=True)
class Listed:
    """An environment that can be named, and where it comes from; `clash` says why the name is not its own."""

    name: str
    origin: str
    clash: str | None = None


def listed() -> list[Listed]:
    """Every built-in and installed environment; none is imported."""
    families = (f"{family}:{member}" for family, (member, _) in FAMILIES.items())
    rows = [Listed(name, "built-in") for name in sorted((*BUILT_IN, *families))]
    for name, points in sorted(_installed().items()):
        rows += [Listed(name, _origin(point), _clash(name, points)) for point in points]
    return rows


def names() -> list[str]:
    """What can be loaded by name."""
    return [row.name for row in listed() if row.clash is None]


def is_path(name: str) -> bool:
    """Whether this names a file and not an environment that is built in or installed."""
    return name.endswith((".py", ".toml"))


def is_plug_in(name: str) -> bool:
    """Whether its code is somebody else's."""
    return is_path(name) or (name not in BUILT_IN and name in _installed())


def load(name: str, policy: str | None = None) -> Environment:
    """The environment of that name, or the one that a file defines.

    With `policy`, a folder or a name in the Hugging Face cache, it starts from that instead of its own.

    Raises:
        InvalidEnvironment: there is none (names the nearest), it is broken (names file and line), or it
            cannot take the policy.
    """
    environment = _load(name)
    return environment if policy is None else environment.with_policy(policy)


def _load(name: str) -> Environment:
    if name.endswith(".toml"):
        from environments.command.environment import CommandEnvironment

        return CommandEnvironment(Path(name))
    if is_path(name):
        return _from_file(Path(name))
    family, _, member = name.partition(":")
    if family in FAMILIES and member:
        one: Environment = _attribute(FAMILIES[family][1])(member)
        return one
    if name in BUILT_IN:
        environment: Environment = _attribute(BUILT_IN[name])()
        return environment
    points = _installed().get(name)
    if points is None:
        nearest = difflib.get_close_matches(name or DEFAULT, names(), n=1, cutoff=0.0)
        raise InvalidEnvironment(
            f"There is no environment {name!r}. The nearest is {nearest[0]!r}; "
            "`szilard env list` shows them all."
        )
    clash = _clash(name, points)
    if clash is not None:
        raise InvalidEnvironment(f"{name!r} cannot be loaded: {clash}.")
    return _from_entry_point(points[0])


def _installed() -> dict[str, list[EntryPoint]]:
    """Name -> what installed packages call by it, each once."""
    found: defaultdict[str, dict[tuple[str, str], EntryPoint]] = defaultdict(dict)
    for point in entry_points(group=ENTRY_POINTS):
        found[point.name].setdefault((_origin(point), point.value), point)
    return {name: [points[key] for key in sorted(points)] for name, points in found.items()}


def _origin(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else point.value


def _clash(name: str, points: list[EntryPoint]) -> str | None:
    if name in BUILT_IN:
        return (
            f"the package {_origin(points[0])} calls its environment by the name of a built-in one: "
            f"the built-in one is used; rename the entry point in the package ({points[0].value})"
        )
    if len(points) > 1:
        both = " and ".join(f"{_origin(point)} ({point.value})" for point in points)
        return f"several packages have an environment of this name, {both}: uninstall or rename all but one"
    return None


def _from_entry_point(point: EntryPoint) -> Environment:
    where = f"The environment {point.name!r} of {_origin(point)} ({point.value})"
    found = _imported(point.load, where, None)
    if not inspect.isclass(found) or not issubclass(found, Environment):
        kind = type(found).__name__
        raise InvalidEnvironment(
            f"{where} must be a class that is an Environment, it is of type {kind}. "
            "Write `module:ClassName` in the entry point."
        )
    return _made(found)


def _attribute(place: str) -> Any:
    module, attribute = place.split(":")
    return getattr(importlib.import_module(module), attribute)


def _from_file(path: Path) -> Environment:
    path = path.absolute()
    spec = importlib.util.spec_from_file_location(f"szilard_environment_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise InvalidEnvironment(f"{path} is not a Python file that defines an environment.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        _imported(lambda: spec.loader.exec_module(module), str(path), path)  # type: ignore[union-attr]
    except InvalidEnvironment:
        del sys.modules[spec.name]
        raise
    defined = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Environment) and value.__module__ == module.__name__
    ]
    whole = [value for value in defined if not inspect.isabstract(value)]
    found = whole or defined
    if len(found) != 1:
        named = ", ".join(f"{value.__name__} on line {line_of(value)}" for value in found)
        raise InvalidEnvironment(
            f"{path} must define one environment class, it defines {len(found)}"
            + (f": {named}. Keep one, and move the others into files of their own." if named else
               ". Write a class that is a LanguageEnvironment; `szilard env new` shows how.")
        )  # fmt: skip
    return _made(found[0])


def _imported(load_it: Callable[[], Any], where: str, file: Path | None) -> Any:
    """What foreign code gives when it is imported, or its failure as one sentence."""
    try:
        return load_it()
    except (Exception, SystemExit) as error:
        place = place_of_error(error, file)
        at = f", at {place}" if place else ""
        raise InvalidEnvironment(f"{where} cannot be loaded{at}: {raised(error)}.") from error


def _made(kind: type[Environment]) -> Environment:
    """An object of an environment class that keeps today's contract."""
    place, name = place_of(kind), kind.__name__
    if inspect.isabstract(kind):
        missing = ", ".join(sorted(kind.__abstractmethods__))
        raise InvalidEnvironment(f"{place}: {name} is an incomplete environment: it lacks {missing}.")
    _refuse_other_contract(kind, place)
    try:
        environment = kind()
    except (Exception, SystemExit) as error:
        at = place_of_error(error, file_of(kind)) or place
        raise InvalidEnvironment(f"{at}: {name}() cannot be made: {raised(error)}.") from error
    if not isinstance(getattr(environment, "spec", None), EnvironmentSpec):
        raise InvalidEnvironment(
            f"{place}: {name} has no `spec`; give it an EnvironmentSpec, by `language_spec(name, ...)`."
        )
    return environment


def _refuse_other_contract(kind: type[Environment], place: str) -> None:
    theirs = kind.contract
    if theirs is None or theirs == CONTRACT:
        return
    says = f"{place}: {kind.__name__} says contract = {theirs!r}"
    if not isinstance(theirs, int):
        raise InvalidEnvironment(f"{says}, which is no version of the contract: write contract = {CONTRACT}.")
    if theirs > CONTRACT:
        raise InvalidEnvironment(
            f"{says}, this Szilard knows none above {CONTRACT}: pip install --upgrade szilard."
        )
    changed = "; ".join(
        f"since {version}: {what}" for version, what in sorted(CONTRACT_CHANGES.items()) if version > theirs
    )
    raise InvalidEnvironment(
        f"{says}, today's is {CONTRACT}. What changed {changed}. "
        f"Change the adapter so, write contract = {CONTRACT}, then `szilard env check` it."
    )
