"""Which files of a user's repository are researched: what git tracks, else all, within bounds.

Owns the listing; it only ever reads, and no configuration or hook of the repository is run.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from environments.base import InvalidEnvironment

MOST_FILES = 4000
MOST_BYTES = 128 * 2**20
# A folder of runs holds this file, from which the tasks of confirmations are derived.
KEY_OF_RUNS = ".key"
LEFT_OUT = {".git", "__pycache__", ".venv", "node_modules"}


def files_of(repository: Path) -> Mapping[str, Path]:
    """Path inside the repository -> file: those that git tracks, all where it is no git repository.

    Links count as the files that they lead to; submodules are left out.

    Raises:
        InvalidEnvironment: there is no such folder, there are too many files or bytes, or a link leads out.
    """
    root = repository.resolve()
    if not root.is_dir():
        raise InvalidEnvironment(
            f"{repository} is no folder: `repository` names the code, from the TOML file on."
        )
    names = _tracked(root) or sorted(_all_below(root))
    found: dict[str, Path] = {}
    size = 0
    for name in names:
        path = root / name
        if path.is_dir() and not path.is_symlink():
            continue
        target = path.resolve()
        if not target.is_relative_to(root) or not target.is_file():
            raise InvalidEnvironment(
                f"{path} is missing, no plain file, or a link out of the repository: commit the file itself, "
                "or name what it leads to under `data`."
            )
        found[name] = target
        size += target.stat().st_size
        if len(found) > MOST_FILES or size > MOST_BYTES:
            raise InvalidEnvironment(
                f"{root} has more than {MOST_FILES} files or {MOST_BYTES >> 20} MiB: every attempt has a "
                "copy. Let git track the code alone, and name what is large under `data`."
            )
    if not found:
        raise InvalidEnvironment(f"{root} holds no file: `repository` names the code to be researched.")
    return found


def _tracked(root: Path) -> list[str]:
    """What git tracks below a folder; nothing where it is no repository of git's."""
    if not any((folder / ".git").exists() for folder in (root, *root.parents)):
        return []
    command = ["git", "-c", "core.fsmonitor=false", "-C", str(root), "ls-files", "-z", "--cached"]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment = {**inherited, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(command, capture_output=True, env=environment, check=False)
    except OSError as error:
        raise InvalidEnvironment(
            f"git cannot be started ({error.strerror}): install it, then repeat."
        ) from error
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["it said nothing"]
        raise InvalidEnvironment(f"git cannot list the files of {root}: {said[0]}")
    return sorted({os.fsdecode(name) for name in done.stdout.split(b"\0") if name})


def _all_below(root: Path) -> Iterator[str]:
    for folder, names, files in os.walk(root):
        if KEY_OF_RUNS in files:
            names.clear()
            continue
        names[:] = sorted(name for name in names if name not in LEFT_OUT)
        for name in files:
            if name != ".git":
                yield (Path(folder) / name).relative_to(root).as_posix()
