"""Reads the independent vectors beside it: inputs, expected figures, tolerance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

VECTORS = Path(__file__).parent


def vector(name: str) -> tuple[dict[str, Any], dict[str, Any], float]:
    case = json.loads((VECTORS / f"{name}_a.json").read_text())
    return case["inputs"], case["expected"], case["tolerance"]


def tensor(values: Any) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)
