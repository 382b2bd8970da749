"""Attacks by files that programs read where they work: Python's start, pytest, git.

Owns these attacks; each plants a file that runs, and starts what Szilard starts beside what anybody would.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.scorer import scoring_command
from workspaces.git_command import GitCommand
from workspaces.review.attacks_table import EVERYWHERE, Attacked, seen


@dataclass(frozen=True)
class Planted:
    """What is planted in a folder, who starts there in our way, and who in the usual way."""

    name: str
    plant: Callable[[Path, Path], None]
    ours: Callable[[Path], None]
    usual: Callable[[Path], None]


def _module(name: str) -> Callable[[Path, Path], None]:
    def plant(folder: Path, mark: Path) -> None:
        (folder / f"{name}.py").write_text(f"import os\nos.makedirs({str(mark)!r}, exist_ok=True)\n")

    return plant


def _hook(folder: Path, mark: Path) -> None:
    _git(folder, "init", "--quiet")
    hook = folder / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\nmkdir {mark}\n")
    hook.chmod(0o755)
    (folder / "file").write_text("content")


def _configuration(folder: Path, mark: Path) -> None:
    _git(folder, "init", "--quiet")
    _git(folder, "config", "core.fsmonitor", f"mkdir {mark}; false")


def _git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=szilard", "-c", "user.email=szilard@localhost")
    subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, check=False)


def _our_git(*commands: tuple[str, ...]) -> Callable[[Path], None]:
    def run(folder: Path) -> None:
        git = GitCommand(folder / ".git", folder)
        for command in commands:
            git.run(*command, check=False)

    return run


def _usual_git(*commands: tuple[str, ...]) -> Callable[[Path], None]:
    def run(folder: Path) -> None:
        for command in commands:
            _git(folder, *command)

    return run


def _our_scorer(folder: Path) -> None:
    subprocess.run(scoring_command("countdown"), cwd=folder, input=b"", capture_output=True, check=False)


def _usual_python(folder: Path) -> None:
    """A scoring script that stands in the work tree, as in the popular loops."""
    (folder / "score.py").write_text("import environments\n")
    subprocess.run(
        [sys.executable, "score.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        check=False,
    )


def _usual_pytest(folder: Path) -> None:
    """What pytest does with a conftest.py in the folder of the tests."""
    subprocess.run([sys.executable, "-c", "import conftest"], cwd=folder, capture_output=True, check=False)


CHECKOUT = (("add", "file"), ("commit", "--quiet", "-m", "a"), ("checkout", "--quiet", "-b", "other"))
PLANTED = (
    Planted("plant a sitecustomize.py for the scorer", _module("sitecustomize"), _our_scorer, _usual_python),
    Planted("plant a conftest.py for the scorer", _module("conftest"), _our_scorer, _usual_pytest),
    Planted("shadow our packages for the scorer", _module("environments"), _our_scorer, _usual_python),
    Planted("plant a hook of git", _hook, _our_git(*CHECKOUT), _usual_git(*CHECKOUT)),
    Planted(
        "plant a setting of git that runs a program",
        _configuration,
        _our_git(("status",)),
        _usual_git(("status",)),
    ),
)


def attack() -> Iterator[Attacked]:
    """Every attack of this room."""
    for planted in PLANTED:
        ran, anyway = _ran(planted, planted.ours), _ran(planted, planted.usual)
        said = "it ran" if ran else "it did not run"
        undefended = seen(anyway)
        yield Attacked(planted.name, "planting", EVERYWHERE, not ran, said, undefended)


def _ran(planted: Planted, start: Callable[[Path], None]) -> bool:
    with tempfile.TemporaryDirectory(prefix="szilard-attack-") as folder:
        place, mark = Path(folder, "tree"), Path(folder, "mark")
        place.mkdir()
        planted.plant(place, mark)
        start(place)
        return mark.exists()
