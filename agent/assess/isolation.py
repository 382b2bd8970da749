"""Whether an attempt can reach its own score: what of the evaluator's files an attempt may write.

Owns the comparison of paths and contents; the files were watched by `evaluator_files`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path

from agent.assess.edits import NUMBER
from agent.assess.evaluator_files import Scored, hash_of_text
from agent.failures import WEIGHTS_FILE

_LARGEST_TEXT = 2**20
_LEAST_CODE = 40


def reached(scored: Scored, editable: Mapping[str, str], sources: Mapping[str, Path]) -> list[str]:
    """The editable files that the evaluator read: by their source's path, or a copy of them elsewhere."""
    paths = {path.resolve(): name for name, path in sources.items() if name in editable}
    hashes = {hash_of_text(text): name for name, text in editable.items() if len(text) >= _LEAST_CODE}
    found = {paths.get(file.resolve()) or hashes.get(content) for file, content in scored.files.items()}
    return sorted(name for name in found if name is not None)


def self_reported(scored: Scored, policy: Path) -> list[str]:
    """The files beside a policy's weights that the evaluator read, and in which its score stands."""
    output = policy.parent.resolve()
    found = []
    for file in scored.files:
        path = file.resolve()
        if not path.is_relative_to(output) or path.name == WEIGHTS_FILE:
            continue
        numbers = [float(written) for written in re.findall(NUMBER, _text(path) or "")]
        if any(math.isclose(number, scored.value, rel_tol=1e-6) for number in numbers if number):
            found.append(path.relative_to(output).as_posix())
    return sorted(found)


def _text(path: Path) -> str | None:
    try:
        return path.read_text() if path.is_file() and path.stat().st_size <= _LARGEST_TEXT else None
    except (OSError, ValueError):
        return None
