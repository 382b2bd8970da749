"""Whether the gradient of a loss is the derivative of its value, what it detaches being held as it was."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from checks.calls import Calls, Refused, seed_everything
from checks.inputs import gradient_of, inputs

STEP = 1e-6


def differs(control: Any, calls: Calls, *, reference: bool) -> str | None:
    """How a directional derivative differs from finite differences, in float64; None if it does not."""
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        return _difference(control, calls, reference)
    except Refused as error:
        return f"not compared with finite differences, in float64 it fails: {error}"
    finally:
        torch.set_default_dtype(default)


def _difference(control: Any, calls: Calls, reference: bool) -> str | None:
    state: Any = calls(control.loss, inputs(61, reference=reference, sharpness=6.0).batch()[0], None)[2]
    base = inputs(62, reference=reference)
    draw = torch.Generator().manual_seed(63)
    towards = torch.randn(base.logprobs.shape, generator=draw, dtype=torch.float64) * base.mask
    kept: list[Tensor] = []

    def loss_at(step: float) -> tuple[float, float]:
        batch, leaves = base.batch()
        object.__setattr__(batch, "logprobs", batch.logprobs + step * towards)
        seed_everything(0)
        with recorded(kept) if step == 0 else replayed(kept):
            loss: Tensor = calls(control.loss, batch, state)[0]
        if step or not loss.requires_grad:
            return float(loss.detach()), 0.0
        loss.backward()
        return float(loss.detach()), float((gradient_of(leaves["logprobs"]) * towards).sum())

    _, expected = loss_at(0.0)
    found = (loss_at(STEP)[0] - loss_at(-STEP)[0]) / (2 * STEP)
    if math.isclose(expected, found, rel_tol=1e-3, abs_tol=1e-6):
        return None
    return (
        f"the gradient is not the derivative of the loss ({expected:.3g} against {found:.3g}): meant "
        "where something is held fixed on purpose, else look for .data, .item() or no_grad()"
    )


@contextmanager
def recorded(kept: list[Tensor]) -> Iterator[None]:
    """Keep a copy of all that is detached inside."""
    original = Tensor.detach

    def detach(tensor: Tensor) -> Tensor:
        kept.append(original(tensor).clone())
        return original(tensor)

    Tensor.detach = detach  # type: ignore[assignment]
    try:
        yield
    finally:
        Tensor.detach = original


@contextmanager
def replayed(kept: list[Tensor]) -> Iterator[None]:
    """Let every detach inside give what it gave when it was recorded."""
    original, left = Tensor.detach, list(kept)

    def detach(tensor: Tensor) -> Tensor:
        return left.pop(0).clone() if left else original(tensor)

    Tensor.detach = detach  # type: ignore[assignment]
    try:
        yield
    finally:
        Tensor.detach = original
