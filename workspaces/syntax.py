"""Python source read into a tree, by one thread at a time.

CPython 3.11 before 3.11.8 counts the depth of such a reading for all threads together, and raises SystemError
in one that another has interrupted (github.com/python/cpython/issues/106905); attempts are made in threads.
"""

from __future__ import annotations

import ast
import threading

_LOCK = threading.Lock()


def parse(source: str, filename: str = "<unknown>") -> ast.Module:
    """What `ast.parse` gives and raises; once more where a library was reading at the same time."""
    with _LOCK:
        try:
            return ast.parse(source, filename)
        except SystemError:
            return ast.parse(source, filename)
