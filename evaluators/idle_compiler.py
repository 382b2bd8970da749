"""Stands for torch._dynamo until something compiles: torch.optim imports it (1.2 s) only to say that its
steps are not compiled."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

NAME = "torch._dynamo"


class IdleCompiler(ModuleType):
    """Answers what torch.optim asks; any other question brings the compiler in."""

    def disable(self, function: Any = None, *_: Any, **__: Any) -> Any:
        return function if function is not None else self.disable

    def graph_break(self, *_: Any) -> None:
        pass

    def stand_in(self) -> None:
        """Take the compiler's place, unless it was imported before."""
        sys.modules.setdefault(NAME, self)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        sys.modules.pop(NAME, None)
        return getattr(importlib.import_module(NAME), name)


IDLE_COMPILER = IdleCompiler(NAME)
