"""Which codes a comparison of controls trains: every control in the recipe, at several learning rates.

Owns the writing of recipe and entropy control; nothing is trained here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from agent.trials import Variant
from environments.base import Environment, SzilardError
from workspaces.controls import KINDS, Control, Kind, shipped_controls

RECIPE = "recipe.py"
ENTROPY_CONTROL = "entropy_control.py"
PLAIN: Mapping[Kind, str] = {
    "loss": "PpoClip",
    "advantage": "GroupAdvantage",
    "average": "LastIterate",
}

Setting = Literal["none", "published", "adapted"]


class UnknownControl(SzilardError):
    """A control that was named is not there."""


@dataclass(frozen=True)
class ControlArm:
    """One control at one setting, or none of them."""

    control: Control | None
    setting: Setting
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        return self.control.kind if self.control else "none"

    @property
    def label(self) -> str:
        if self.control is None:
            return "none"
        given = ", ".join(f"{name} {value:g}" for name, value in self.arguments.items())
        return f"{self.control.name} ({given})" if given else self.control.name

    @property
    def name(self) -> str:
        """The label as a branch can have it."""
        return re.sub(r"[^A-Za-z0-9]+", "-", self.label).strip("-")


NONE = ControlArm(None, "none")


def control_arms(names: Sequence[str] = ()) -> list[ControlArm]:
    """The named controls, each at its published setting and, where that does next to nothing on small
    minibatches, at an adapted one too. With no names: all, in turn from the kinds, the adapted ones last,
    so that a comparison that runs out of time has seen as many controls as it can.

    Raises:
        UnknownControl: a name that no control has.
    """
    known = {name: c for name, c in shipped_controls().items() if name not in PLAIN.values()}
    unknown = next((name for name in names if name not in known), None)
    if unknown is not None:
        import difflib

        near = difflib.get_close_matches(unknown, known, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(known)}."
        raise UnknownControl(f"There is no control {unknown!r} to compare. {hint}")
    chosen = [known[name] for name in dict.fromkeys(names)] if names else _in_turn(known.values())
    arms = []
    for control in chosen:
        arms.append(ControlArm(control, "published"))
        if control.small_scale is not None:
            arms.append(ControlArm(control, "adapted", control.small_scale))
    return arms if names else sorted(arms, key=lambda arm: arm.setting == "adapted")


def variant(
    environment: Environment, arm: ControlArm, rate_factor: float = 1.0, length_factor: float = 1.0
) -> Variant:
    """The template with the arm's control in force, its learning rate and length times these factors.

    Raises:
        SzilardError: the template's recipe names no learning rate and length.
    """
    recipe = environment.workspace_template()[RECIPE].read_text()
    rate, steps = _constant(recipe, "LEARNING_RATE"), _constant(recipe, "STEPS")
    changed = {
        "LEARNING_RATE": f"{rate * rate_factor:.3g}",
        "STEPS": str(max(1, round(steps * length_factor))),
    }
    for name, value in changed.items():
        recipe = re.sub(rf"^{name} = .*$", f"{name} = {value}", recipe, flags=re.M)
    shape = f"{changed['LEARNING_RATE']}, {changed['STEPS']} steps"
    return Variant(
        name=f"{arm.name}-{re.sub(r'[^0-9e-]', '_', changed['LEARNING_RATE'])}-{changed['STEPS']}",
        label=f"{arm.label}, learning rate {shape}",
        files={RECIPE: recipe, ENTROPY_CONTROL: entropy_control([arm])},
    )


def learning_rate(environment: Environment) -> float:
    """That of the template's recipe. Raises what `variant` raises."""
    return _constant(environment.workspace_template()[RECIPE].read_text(), "LEARNING_RATE")


def entropy_control(arms: Iterable[ControlArm]) -> str:
    """The text of entropy_control.py with these controls in force: at most one loss, advantage, average."""
    shipped = shipped_controls()
    placed: dict[Kind, list[tuple[Control, Mapping[str, Any]]]] = {kind: [] for kind in KINDS}
    for arm in arms:
        if arm.control is not None:
            placed[arm.control.kind].append((arm.control, arm.arguments))
    for kind, name in PLAIN.items():
        if not placed[kind]:
            placed[kind].append((shipped[name], {}))
    used = sorted({(control.module, control.name) for part in placed.values() for control, _ in part})
    imports = "\n".join(f"from controls.{module} import {name}" for module, name in used)
    lines = [f"{kind.upper()} = {_written(placed[kind][0])}" for kind in ("loss", "advantage", "average")]
    for slot, several in (("TERMS", placed["term"]), ("SAMPLING", placed["sampling"])):
        lines.append(f"{slot} = ({''.join(_written(one) + ', ' for one in several).rstrip()})")
    return f'"""The entropy control in force."""\n\n{imports}\n\n' + "\n".join(lines) + "\n"


def _written(one: tuple[Control, Mapping[str, Any]]) -> str:
    return one[0].written(one[1])


def _in_turn(controls: Iterable[Control]) -> list[Control]:
    """One of each kind, then the next of each: a comparison that runs out of time has seen all kinds."""
    ranks: dict[str, int] = {}
    placed = []
    for control in controls:
        ranks[control.kind] = ranks.get(control.kind, 0) + 1
        placed.append((ranks[control.kind], KINDS.index(control.kind), control))
    return [control for _, _, control in sorted(placed, key=lambda one: one[:2])]


def _constant(recipe: str, name: str) -> float:
    found = re.search(rf"^{name} = ([0-9.e+-]+)\s*$", recipe, re.M)
    if found is None:
        raise SzilardError(f"the template's {RECIPE} has no line `{name} = NUMBER`, so arms cannot vary it")
    return float(found[1])
