"""What code says apart from how it is written: whether it was tried before, or as good as.

Owns the normal form and the comparison of its numbers; which codes are compared is the loop's.
"""

from __future__ import annotations

import ast
import hashlib
import math
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from workspaces.syntax import parse

TOLERANCE = 0.02

_FLOAT = re.compile(r"(?<![\w.])\d+(?:\.\d+(?:[eE][-+]?\d+)?|[eE][-+]?\d+)(?![\w.])")
_LOOKS_AT_NAMES = frozenset({"locals", "vars", "eval", "exec", "dir", "globals"})
_NUMBER = "\0number"
_SCOPES = (
    ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda,
    ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp,
)  # fmt: skip


@dataclass(frozen=True)
class Apart:
    """A number of a file that two codes have differently."""

    path: str
    before: float
    after: float


def normalised_code(files: Mapping[str, str]) -> str:
    """A digest that ignores comments, docstrings, formatting and the names of locals in Python files.

    Other files, and Python that does not parse, count by their bytes.
    """
    digest = hashlib.sha256()
    for path in sorted(files):
        parsed = _read(path, files[path]).exact
        text = files[path] if parsed is None else parsed
        for part in (path, "text" if parsed is None else "python", text):
            data = part.encode("utf-8", "surrogatepass")
            digest.update(b"%d:%s" % (len(data), data))
    return digest.hexdigest()


def indistinguishable(before: Mapping[str, str], after: Mapping[str, str]) -> list[Apart] | None:
    """The numbers in which two codes differ, if in nothing else and in none by more than `TOLERANCE`.

    The difference is relative to the larger; of numbers between 0 and 1 their distances to 1 are held
    against each other too, since decays of 0.98 and 0.99 are not the same. Whole numbers count where a name
    is given to them, as hyper-parameters are; elsewhere they are places and sizes, and must be equal. None
    where the codes can be told apart; empty where they say the same.
    """
    if before.keys() != after.keys():
        return None
    found: list[Apart] = []
    for path in sorted(before):
        if before[path] == after[path]:
            continue
        old, new = _read(path, before[path]), _read(path, after[path])
        if old.shape != new.shape or len(old.numbers) != len(new.numbers):
            return None
        for first, second in zip(old.numbers, new.numbers, strict=True):
            if first != second:
                if not _is_close(first, second):
                    return None
                found.append(Apart(path, first, second))
    return found


@dataclass(frozen=True)
class _Read:
    """A file: digest of what it says, None where it is no Python; digest without its numbers; the numbers."""

    exact: str | None
    shape: str
    numbers: tuple[float, ...]


def _read(path: str, text: str) -> _Read:
    return (_read_python(text) if path.endswith(".py") else None) or _read_text(text)


@lru_cache(maxsize=4096)
def _read_text(text: str) -> _Read:
    numbers = tuple(float(number) for number in _FLOAT.findall(text))
    return _Read(None, _digest(_FLOAT.sub(_NUMBER, text)), numbers)


@lru_cache(maxsize=4096)
def _read_python(text: str) -> _Read | None:
    """What Python reads in a file; None where it does not parse."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = parse(text)
        _strip(module)
        _rename_locals(module)
        exact = _digest(ast.dump(module))
        numbers = tuple(_taken_out(module))
        return _Read(exact, _digest(ast.dump(module)), numbers)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return None


def _strip(module: ast.Module) -> None:
    """Take out docstrings, and how strings are prefixed."""
    for node in ast.walk(module):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if ast.get_docstring(node, clean=False) is not None:
                del node.body[0]
        elif isinstance(node, ast.Constant):
            node.kind = None


def _rename_locals(module: ast.Module) -> None:
    """Number the local variables of every function that stands in no other, where no name can be seen."""
    waiting: list[ast.AST] = [module]
    while waiting:
        for node in ast.iter_child_nodes(waiting.pop()):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                _rename_within(node)
            else:
                waiting.append(node)


def _rename_within(function: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    inside = list(ast.walk(function))
    if any(isinstance(node, ast.ClassDef | ast.Global | ast.Nonlocal) for node in inside):
        return
    names = [node for node in inside if isinstance(node, ast.Name)]
    if any(name.id in _LOOKS_AT_NAMES for name in names):
        return
    bound = {word for node in inside if node is not function for word in _bound_otherwise(node)}
    assigned = [name.id for name in _own_names(function) if isinstance(name.ctx, ast.Store)]
    renamed = {
        name: f"\0{rank}"
        for rank, name in enumerate(dict.fromkeys(name for name in assigned if name not in bound))
    }
    for name in names:
        name.id = renamed.get(name.id, name.id)


def _own_names(function: ast.AST) -> Iterator[ast.Name]:
    """The names in the scope of a function itself, not in those that it holds."""
    waiting: list[ast.AST] = [function]
    while waiting:
        for node in ast.iter_child_nodes(waiting.pop(0)):
            if isinstance(node, ast.Name):
                yield node
            if not isinstance(node, _SCOPES):
                waiting.append(node)


def _bound_otherwise(node: ast.AST) -> Iterator[str]:
    """The names that a node binds as plain words: parameters, definitions, imports, exceptions, patterns."""
    if isinstance(node, ast.keyword):
        return
    for field in ("arg", "name", "asname", "rest"):
        word = getattr(node, field, None)
        if isinstance(word, str):
            yield word.partition(".")[0]


def _taken_out(module: ast.Module) -> Iterator[float]:
    """The numbers that may differ a little, each replaced by a mark."""
    named = {
        id(node.value)
        for node in ast.walk(module)
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.keyword)
    }
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and (
            type(node.value) is float or (type(node.value) is int and id(node) in named)
        ):
            yield float(node.value)
            node.value = f"{_NUMBER} {type(node.value).__name__}"


def _is_close(first: float, second: float) -> bool:
    if not math.isclose(first, second, rel_tol=TOLERANCE):
        return False
    between = 0 < first < 1 and 0 < second < 1
    return not between or math.isclose(1 - first, 1 - second, rel_tol=TOLERANCE)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
