"""Checks of what an adapter says of itself: contract, spec, template, globs, pickling."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from environments.base import CONTRACT, Environment, EnvironmentSpec, matches
from environments.blame import place_of, raised
from environments.checks.base import Adapter, Nonconforming
from environments.language import LanguageEnvironment
from environments.language_defaults import PASS_AT
from environments.registry import is_path, is_plug_in

CALLS: Mapping[str, tuple[str, ...]] = {
    "tasks": ("split", "seed", "count"),
    "reward": ("task", "completion"),
    "diagnose": ("task", "completions"),
    "score": ("policy", "split", "seed"),
}

LEAST = {"max_tokens": 1, "scored_tasks": 2, "scored_samples": max(PASS_AT), "seen_tasks": 1}


def contract(adapter: Adapter) -> str:
    environment = adapter.environment
    for method, called in CALLS.items():
        function = getattr(environment, method, None)
        if function is None:
            continue
        try:
            inspect.signature(function).bind(*called)
        except TypeError as error:
            raise Nonconforming(
                f"{adapter.at(method)}: {method}{inspect.signature(function)} cannot be called "
                f"by contract {CONTRACT} ({error})",
                f"Write {method}(self, {', '.join(called)})",
            ) from error
    if environment.contract is None and environment.spec.trains_policy:
        raise Nonconforming(
            f"{place_of(environment)}: {type(environment).__name__} does not say its contract",
            f"Write contract = {CONTRACT} in the class, so that a later Szilard can tell what changed since",
            warning=True,
        )
    return f"contract {environment.contract or CONTRACT}"


def spec_is_consistent(adapter: Adapter) -> str:
    spec = adapter.environment.spec
    fault = (_name_fault(spec) if is_plug_in(adapter.name) else None) or _spec_fault(spec)
    if fault is not None:
        said, remedy = fault
        raise Nonconforming(f"{place_of(adapter.environment)}: spec {said}", remedy)
    return f"{spec.direction} {spec.metric}, {spec.range[0]:g} to {spec.range[1]:g}"


def _name_fault(spec: EnvironmentSpec) -> tuple[str, str] | None:
    """Not for FAMILY:MEMBER, which are built in."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,60}", spec.name):
        return None
    return f"has the name {spec.name!r}", "Use letters, digits, - and _: it names folders and branches"


def _spec_fault(spec: EnvironmentSpec) -> tuple[str, str] | None:
    if not spec.version or not isinstance(spec.version, str):
        return "has no version", 'Write version="1", and raise it when tasks or scores change'
    for name in ("metrics", "editable", "protected"):
        if isinstance(getattr(spec, name), str):
            return f"has one word for {name}", f"Write a tuple of words: {name}=({getattr(spec, name)!r},)"
    if spec.metric not in spec.metrics:
        return (
            f"optimises {spec.metric!r}, which its metrics do not name ({', '.join(spec.metrics)})",
            f"Add {spec.metric!r} to `metrics`, or name one of them as `metric`",
        )
    strange = [guard.metric for guard in spec.guards if guard.metric not in spec.metrics]
    if strange:
        return (
            f"guards {strange[0]!r}, which its metrics do not name ({', '.join(spec.metrics)})",
            f"Add {strange[0]!r} to `metrics`, or guard one of them",
        )
    if spec.direction not in ("maximise", "minimise"):
        return f"has direction {spec.direction!r}", 'Write "maximise" or "minimise"'
    if not spec.range[0] < spec.range[1]:
        return f"has the range {spec.range}", "Write (lowest, highest)"
    if spec.seeds < 2 or spec.seconds_per_attempt <= 0:
        return f"has seeds={spec.seeds} and seconds_per_attempt={spec.seconds_per_attempt}", (
            "Write at least 2 seeds and more than 0 seconds"
        )
    if any(not isinstance(amount, int) or amount < 1 for amount in spec.budget.values()):
        return f"has the budget {dict(spec.budget)}", "Write whole numbers of at least 1"
    if not spec.train_command or isinstance(spec.train_command, str):
        return "has no train_command", 'Write a tuple of words, such as ("python", "train.py")'
    if not spec.editable:
        return "has nothing editable", 'Write the globs of what may be changed: editable=("recipe.py",)'
    return None


def template_is_there(adapter: Adapter) -> str:
    template = adapter.environment.workspace_template()
    if not isinstance(template, Mapping) or not template:
        raise adapter.fault(
            "workspace_template",
            f"returned {type(template).__name__}",
            "Return a mapping of path inside the work tree -> file that it is copied from",
        )
    for inside, source in template.items():
        if not Path(source).is_file():
            raise Nonconforming(f"the template has no file {source} for {inside}", "Put the file there")
        if inside.startswith("/") or ".." in Path(inside).parts:
            raise Nonconforming(f"the template's path {inside!r} leads out", "Use paths inside the work tree")
    if isinstance(adapter.environment, LanguageEnvironment):
        for name, least in LEAST.items():
            given = getattr(adapter.environment, name)
            if not isinstance(given, int) or given < least:
                raise Nonconforming(
                    f"{place_of(adapter.environment)}: {name} is {given!r}", f"Write {name} = {least} or more"
                )
    return f"{len(template)} files"


def globs_divide_the_template(adapter: Adapter) -> str:
    spec, files = adapter.environment.spec, sorted(adapter.environment.workspace_template())
    matched: dict[str, set[str]] = {}
    for name in ("editable", "protected"):
        matched[name] = set()
        for glob in getattr(spec, name):
            found = {path for path in files if matches(path, [glob])}
            if not found:
                raise Nonconforming(
                    f"the {name} glob {glob!r} matches no file of the template ({_few(files)})",
                    "Correct the glob, or put the file into workspace_template()",
                )
            matched[name] |= found
    both = sorted(matched["editable"] & matched["protected"])
    if both and spec.trains_policy:
        raise Nonconforming(
            f"{_few(both)} is both editable and protected",
            "Narrow one of the globs: protected files decide scores",
        )
    if isinstance(adapter.environment, LanguageEnvironment):
        open_ = sorted({"train.py", "session.py"} & matched["editable"])
        if open_:
            raise Nonconforming(
                f"{open_[0]} is editable, which owns budget, tasks and rewards", f"Protect {open_[0]}"
            )
    return f"{len(matched['editable'])} editable and {len(matched['protected'])} protected files"


def policy_is_there(adapter: Adapter) -> str:
    folder = adapter.environment.starting_policy()
    if not isinstance(folder, Path) or not folder.is_dir():
        raise adapter.fault(
            "starting_policy",
            f"gives {folder!r}, which is no folder",
            "Return the Path of a folder with config.json and model.safetensors",
        )
    if not (folder / "model.safetensors").is_file():
        raise Nonconforming(f"{folder} has no model.safetensors", "Save the starting policy as safetensors")
    return str(folder)


def code_is_shown_inside(adapter: Adapter) -> str:
    """A file by path is copied into the sandbox, as our own packages are shown there wherever they lie; what
    is installed must lie where Python's packages lie."""
    file, installed = adapter.file, is_plug_in(adapter.name) and not is_path(adapter.name)
    if not installed or file is None or adapter.shown(file):
        return "training can import it"
    raise Nonconforming(
        f"{file} is not visible in the sandbox, where only installed packages are",
        "Install the package without --editable (pip install .), or name the file by its path",
    )


def picklable(adapter: Adapter) -> str:
    """Environments travel to worker processes; tasks too."""
    try:
        back: Any = pickle.loads(pickle.dumps(adapter.environment))
        copy.copy(adapter.environment)
    except Exception as error:
        raise Nonconforming(
            f"{place_of(adapter.environment)}: it cannot be pickled ({raised(error)})",
            "Keep no open file, lock, generator or lambda on the object: make them where they are needed",
        ) from error
    if not isinstance(back, Environment):
        raise Nonconforming("pickling gives something else back", "Leave __reduce__ alone")
    return "it can be pickled"


def _few(files: list[str], most: int = 4) -> str:
    return ", ".join(files[:most]) + (f" and {len(files) - most} more" if len(files) > most else "")
