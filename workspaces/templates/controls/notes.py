"""What the controls say about one step, gathered over its minibatches for the trace."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from controls.batch import Group
from controls.group_advantage import GroupAdvantage


class Notes:
    """Diagnostics of one training step.

    A figure is the mean over minibatches. `touched` is the sum over them, one a control: how many tokens
    it acted on, as its docstring defines. A control that touched none was inert.
    """

    def __init__(self) -> None:
        self._figures: dict[str, list[float]] = {}
        self._touched: dict[str, float] = {}

    def add(self, control: Any, loss: Tensor, diagnostics: dict[str, float]) -> None:
        """Of a loss or a term on one minibatch."""
        for name, figure in diagnostics.items():
            if name != "touched":
                self._figures.setdefault(name, []).append(figure)
        if control.kind == "loss":
            self._figures.setdefault("loss", []).append(float(loss.detach()))
        self._touch(control, diagnostics.get("touched"))

    def add_advantages(self, control: Any, group: Group, advantages: Tensor) -> None:
        """An advantage touches the tokens to which it gives another value than the group advantage."""
        if type(control) is GroupAdvantage:
            return
        plain = GroupAdvantage().advantages(group)[..., None]
        differs = (advantages.view_as(group.mask) - plain).abs() > 1e-6
        self._touch(control, float((differs & group.mask).sum()))

    def summary(self) -> dict[str, Any]:
        means: dict[str, Any] = {name: sum(values) / len(values) for name, values in self._figures.items()}
        return {**means, "touched": self._touched}

    def _touch(self, control: Any, tokens: float | None) -> None:
        if tokens is not None:
            name = type(control).__name__
            self._touched[name] = self._touched.get(name, 0.0) + tokens
