"""Where an adapter went wrong: the file and the line that its author has to look at.

Owns the reading of tracebacks and of source positions; what is said about the fault is the caller's.
"""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

OURS = Path(__file__).parent


def file_of(adapter: object) -> Path | None:
    """The Python file that defines a class, a function or the class of an object, if any does."""
    known = adapter if inspect.isclass(adapter) or inspect.isroutine(adapter) else type(adapter)
    module = sys.modules.get(getattr(known, "__module__", ""))
    path = getattr(module, "__file__", None)
    return Path(path) if path else None


def line_of(adapter: object) -> int | None:
    """The line on which a class or a function begins."""
    try:
        return inspect.getsourcelines(inspect.unwrap(adapter))[1]  # type: ignore[arg-type]
    except (OSError, TypeError):
        return None


def place_of(adapter: object) -> str:
    """`mydomain.py:12`: where a class, a function or the class of an object is defined."""
    known = adapter if inspect.isclass(adapter) or inspect.isroutine(adapter) else type(adapter)
    file, line = file_of(known), line_of(known)
    where = str(file) if file is not None else known.__module__
    return f"{where}:{line}" if line else where


def place_of_error(error: BaseException, file: Path | None) -> str | None:
    """`mydomain.py:12`: the innermost line of `file` that an error passed, else of any foreign file."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return f"{error.filename}:{error.lineno}"
    frames = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    return innermost(reversed(frames), file)


def innermost(frames: Iterator[tuple[str, int | None]], file: Path | None) -> str | None:
    """The first place of `file` among frames that begin with the innermost, else the first foreign one."""
    foreign = None
    for name, line in frames:
        path = Path(name)
        if file is not None and path == file:
            return f"{name}:{line}"
        if foreign is None and not name.startswith("<") and not _is_known(path):
            foreign = f"{name}:{line}"
    return foreign


def raised(error: BaseException) -> str:
    """`ValueError: what it says`, in one line."""
    said = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _is_known(path: Path) -> bool:
    """Whether a file is of Szilard's own rooms or of Python's own library."""
    rooms = [OURS, *(OURS.parent / room for room in ("agent", "evaluators", "workspaces"))]
    library = Path(inspect.__file__).parent
    return any(path.is_relative_to(room) for room in rooms) or path.parent == library
