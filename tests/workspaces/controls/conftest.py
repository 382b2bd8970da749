"""A control of the templates, in float64."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from tests.workspaces.controls.vectors import TEMPLATES, Control, forget_controls


@pytest.fixture
def control(monkeypatch: pytest.MonkeyPatch) -> Iterator[Control]:
    """Makes a control of the templates in float64, `control("ppo_clip.PpoClip", low=0.2)`."""
    monkeypatch.syspath_prepend(str(TEMPLATES))
    forget_controls()
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)

    def make(name: str, **parameters: Any) -> Any:
        module, kind = name.split(".")
        return getattr(importlib.import_module(f"controls.{module}"), kind)(**parameters)

    yield make
    torch.set_default_dtype(default)
    forget_controls()
