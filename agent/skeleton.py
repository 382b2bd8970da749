"""Writes the beginnings of an environment: files that work as they are, for its author to change.

Owns names and refusals; the files are in `agent/skeletons/`, a folder a kind.
"""

from __future__ import annotations

import ast
import keyword
import re
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

from environments import registry
from environments.base import SzilardError
from workspaces.syntax import parse

Kind = Literal["language", "full", "command"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SKELETONS = Path(__file__).parent / "skeletons"
PLACEHOLDER, PLACEHOLDER_CLASS = "mydomain", "MyDomain"
LONGEST_NAME = 40


class CannotBegin(SzilardError):
    """A skeleton that cannot be written; the message says why."""


def write_skeleton(name: str, kind: Kind, folder: Path) -> list[Path]:
    """Write the files of a new environment into `folder` and return them, that of `--environment` first.

    Raises:
        CannotBegin: the name cannot be one, is taken, or a file of it is there already; nothing is written.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or len(name) > LONGEST_NAME:
        raise CannotBegin(
            f"{name!r} cannot name an environment: use small letters, digits and _, beginning with a letter, "
            f"at most {LONGEST_NAME}."
        )
    if name in (*registry.names(), *registry.FAMILIES):
        raise CannotBegin(f"There is an environment {name!r} already: choose another name.")
    if keyword.iskeyword(name) or find_spec(name) is not None:
        raise CannotBegin(
            f"{name!r} is a word or a module of Python here, which {name}.py would hide: choose another name."
        )
    if not folder.is_dir():
        raise CannotBegin(f"{folder} is no folder: make it first.")
    wanted = {
        folder / str(source.relative_to(SKELETONS / kind)).replace(PLACEHOLDER, name): source
        for source in sorted((SKELETONS / kind).rglob("*"))
        if source.is_file() and source.suffix != ".pyc"
    }
    own_class = _class_of(name)
    if keyword.iskeyword(own_class) or own_class in _used(SKELETONS / kind / f"{PLACEHOLDER}.py"):
        raise CannotBegin(
            f"{name!r} would name the class {own_class}, a name that Python or the file itself uses: "
            "choose another name."
        )
    there = next((path for path in wanted if path.exists()), None)
    if there is not None:
        raise CannotBegin(f"{there} exists already, and nothing was written: choose another name or folder.")
    for path, source in wanted.items():
        path.parent.mkdir(exist_ok=True)
        if source.suffix == ".safetensors":
            shutil.copyfile(source, path)
        else:
            path.write_text(_named(source.read_text(), name))
    return sorted(wanted, key=lambda path: (path.stem != name, len(path.parts), path))


def _named(text: str, name: str) -> str:
    return text.replace(PLACEHOLDER_CLASS, _class_of(name)).replace(PLACEHOLDER, name)


def _class_of(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _used(file: Path) -> set[str]:
    """The names that code of a skeleton uses; none where it has no such file."""
    tree = parse(file.read_text() if file.is_file() else "")
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
