"""The whole catalogue as one space: every control at every strength, every learning rate and length.

Owns the order of the choices that make a configuration, for researchers that are blind to what they mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from agent.researchers.configuration import LEARNING_RATES, LENGTHS, Configuration, ordered, rounded
from agent.researchers.control_table import SEVERAL, Control, Table
from workspaces.controls import KINDS

PLAIN = "plain"
Option = float | str
Choose = Callable[[str, Sequence[Option]], Option]


def choose_configuration(choose: Choose, baseline: Configuration, table: Table) -> Configuration:
    """Make a configuration by answering one question after another: `choose(question, options)`.

    Names are unordered, numbers go from small to large or from weak to strong.
    """
    rate = float(choose("learning rate", LEARNING_RATES))
    length = float(choose("length", LENGTHS))
    controls: dict[str, float] = {}
    for slot in KINDS:
        offered = [control for control in table.values() if control.slot == slot]
        if slot in SEVERAL:
            chosen = [c for c in offered if choose(f"{c.name} in force", (0.0, 1.0))]
        else:
            name = choose(slot, (PLAIN, *(control.name for control in offered))) if offered else PLAIN
            chosen = [control for control in offered if control.name == name]
        controls |= {control.name: _strength(choose, control) for control in chosen}
    return Configuration(
        ordered(controls, table),
        rounded(baseline.learning_rate * rate),
        max(1, round(baseline.steps * length)),
    )


def choices_of(configuration: Configuration, baseline: Configuration, table: Table) -> Mapping[str, Option]:
    """The answers that make a configuration, the nearest ones where it lies between the options."""
    rate = configuration.learning_rate / baseline.learning_rate
    answers: dict[str, Option] = {
        "learning rate": nearest(LEARNING_RATES, rate),
        "length": nearest(LENGTHS, configuration.steps / baseline.steps),
    }
    held = dict(configuration.controls)
    for slot in KINDS:
        offered = [control for control in table.values() if control.slot == slot]
        chosen = [control for control in offered if control.name in held]
        if slot in SEVERAL:
            answers |= {f"{control.name} in force": float(control.name in held) for control in offered}
        elif offered:
            answers[slot] = chosen[0].name if chosen else PLAIN
        answers |= {control.name: nearest(control.grid, held[control.name]) for control in chosen}
    return answers


def nearest(options: Sequence[float], value: float) -> float:
    """The option that lies closest to a value, by their ratio."""
    return min(options, key=lambda option: abs(math.log(option / value)))


def _strength(choose: Choose, control: Control) -> float:
    return float(choose(control.name, control.grid)) if len(control.grid) > 1 else control.grid[0]
