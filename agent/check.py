"""What can be told of edited code without running it: it parses, and its imports exist.

Owns the static check; nothing of the code under research is executed here.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import PurePosixPath

from environments.base import SzilardError
from workspaces.syntax import parse

OURS = ("environments", "evaluators")


class CheckFailed(SzilardError):
    """Edited code that cannot run; the message names file, line and reason."""


def check_code(files: Mapping[str, str]) -> None:
    """Check every Python file of a work tree (path -> text).

    Raises:
        CheckFailed: a syntax error, or an import of a module that is neither in the work tree nor installed.
    """
    local = {PurePosixPath(path).parts[0].removesuffix(".py") for path in files}
    for path, text in files.items():
        if not path.endswith(".py"):
            continue
        try:
            tree = parse(text, path)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = getattr(error, "lineno", None)
            told = getattr(error, "msg", None) or str(error) or type(error).__name__
            raise CheckFailed(f"{path}{f', line {line}' if line else ''}: {told}") from error
        for node in ast.walk(tree):
            for name in _imported(node):
                _check_import(path, node.lineno, name, local, files)  # type: ignore[attr-defined]


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        return [node.module]
    return []


def _check_import(path: str, line: int, name: str, local: set[str], files: Mapping[str, str]) -> None:
    top, _, rest = name.partition(".")
    if top in local:
        module = name.replace(".", "/")
        package = any(other.startswith(f"{module}/") for other in files)
        if rest and f"{module}.py" not in files and not package:
            raise CheckFailed(f"{path}, line {line}: the work tree has no module {name}")
        return
    if top in sys.stdlib_module_names or top in OURS:
        return
    try:
        found = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        found = None
    if found is None:
        raise CheckFailed(f"{path}, line {line}: no module {top!r} is installed or in the work tree")
