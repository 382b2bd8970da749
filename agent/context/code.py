"""The files of the parent: which of them fit, how they are shown, and what is said of the others.

Owns the choice and the form; which files come before others is for `build`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from agent.context.tokens import Room
from workspaces.plain_text import fenced

NAMED = 60


def fitting(files: Mapping[str, str], room: Room) -> dict[str, str]:
    """The files that there is room for, the smallest first."""
    ordered = sorted(files, key=lambda path: (len(files[path]), path))
    return {path: files[path] for path in ordered if room.take(_block(path, files[path]))}


def shown_files(shown: Mapping[str, str], every: Mapping[str, str]) -> str:
    """`shown` in full, and of all others the names."""
    parts = [_block(path, text) for path, text in sorted(shown.items())]
    missing = [path for path in sorted(every) if path not in shown]
    lines = [
        f"{json.dumps(path)}: left out for length ({len(every[path])} characters)."
        for path in missing[:NAMED]
    ]
    if len(missing) > NAMED:
        lines.append(f"{len(missing) - NAMED} further files are left out and not named.")
    return "".join(parts) + "\n".join(lines) or "None."


def _block(path: str, text: str) -> str:
    language = "python" if path.endswith(".py") else "text"
    return f"{json.dumps(path)}:\n{fenced(text, language, limit=None)}\n\n"
