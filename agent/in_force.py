"""The controls that a code puts in force, read from its entropy_control.py without running it.

Owns the reading of calls; which of them are controls, and of which kind, is said by the controls' files.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import lru_cache

from agent.researchers.configuration import ENTROPY_CONTROL
from workspaces.syntax import parse


def calls_in(files: Mapping[str, str]) -> Mapping[str, str]:
    """Name of what is called -> the call as Python writes it; empty where the file does not parse."""
    return _calls(files.get(ENTROPY_CONTROL, ""))


def controls_in(files: Mapping[str, str]) -> Mapping[str, str]:
    """The calls whose names are those of classes, as every control is one."""
    return _controls(files.get(ENTROPY_CONTROL, ""))


def moved_controls(before: Mapping[str, str], after: Mapping[str, str]) -> Mapping[str, str]:
    """Name -> call of the controls that `after` has and `before` has not, or has with other arguments."""
    return _moved(before.get(ENTROPY_CONTROL, ""), after.get(ENTROPY_CONTROL, ""))


@lru_cache(maxsize=4096)
def _moved(before: str, after: str) -> Mapping[str, str]:
    earlier = _controls(before)
    return {name: call for name, call in _controls(after).items() if earlier.get(name) != call}


@lru_cache(maxsize=4096)
def _controls(text: str) -> Mapping[str, str]:
    return {name: call for name, call in _calls(text).items() if name[:1].isupper()}


@lru_cache(maxsize=4096)
def _calls(text: str) -> Mapping[str, str]:
    try:
        calls = [node for node in ast.walk(parse(text)) if isinstance(node, ast.Call)]
        found = {_name(call.func): ast.unparse(call) for call in calls}
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    return {name: call for name, call in found.items() if name}


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
