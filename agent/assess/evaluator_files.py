"""Which files an evaluator opens while it scores: a process of its own, told on standard output.

`python -P -m agent.assess.evaluator_files ENVIRONMENT POLICY SEED METRIC` prints the score and the paths, as
one line of JSON. A file counts whose code is run, at any time, and one that is opened during the scoring.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any


@dataclass(frozen=True)
class Scored:
    """The value of the metric, and every file that was read to make it: path -> hash of its content."""

    value: float
    files: Mapping[Path, str]


def files_of_scoring(environment: str, policy: Path, seed: int, metric: str) -> Scored | None:
    """Score a policy in a process that watches itself; None where that came to nothing."""
    from agent.scorer import one_thread

    done = subprocess.run(
        [sys.executable, "-P", "-m", __name__, environment, str(policy), str(seed), metric],
        capture_output=True,
        text=True,
        check=False,
        env=one_thread(),
    )
    try:
        told = json.loads(done.stdout.splitlines()[-1])
        files = {Path(path): str(found) for path, found in told["files"].items()}
        return Scored(float(told["value"]), files)
    except (LookupError, ValueError, TypeError, AttributeError):
        return None


def main() -> None:
    opened: set[str] = set()
    executed: set[str] = set()

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
            opened.add(os.path.abspath(os.fsdecode(arguments[0])))
        elif event == "exec" and isinstance(arguments[0], CodeType):
            executed.add(os.path.abspath(arguments[0].co_filename))

    sys.addaudithook(note)
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    from environments.base import Split
    from environments.registry import load

    environment = load(sys.argv[1])
    opened.clear()
    score = environment.score(Path(sys.argv[2]), Split.SELECTION, int(sys.argv[3]))
    loaded = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    files = {_source(path) for path in (*opened, *executed, *filter(None, loaded))}
    value = score.metrics[sys.argv[4]].value
    told = {path: found for path in sorted(files) if (found := _hash_of(path)) is not None}
    answers.write(json.dumps({"value": value, "files": told}) + "\n")


def hash_of_text(text: str) -> str:
    """That of a file which holds this text."""
    return hashlib.sha256(text.encode()).hexdigest()


def _hash_of(path: str) -> str | None:
    """Taken by the process that read the file: it may be gone when that ends."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return None


def _source(path: str) -> str:
    if path.endswith(".pyc"):
        try:
            return importlib.util.source_from_cache(path)
        except ValueError:
            return path
    return path


if __name__ == "__main__":
    main()
