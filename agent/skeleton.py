"""Writes the beginnings of an environment: files that work as they are, for its author to change.

Owns names and refusals; the files are in `agent/skeletons/`, a folder a kind.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Literal, get_args

from environments import registry
from environments.base import SzilardError

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
    if name in registry.names():
        raise CannotBegin(f"There is an environment {name!r} already: choose another name.")
    if not folder.is_dir():
        raise CannotBegin(f"{folder} is no folder: make it first.")
    wanted = {
        folder / str(source.relative_to(SKELETONS / kind)).replace(PLACEHOLDER, name): source
        for source in sorted((SKELETONS / kind).rglob("*"))
        if source.is_file() and source.suffix != ".pyc"
    }
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
    own_class = "".join(part.capitalize() for part in name.split("_"))
    return text.replace(PLACEHOLDER_CLASS, own_class).replace(PLACEHOLDER, name)
