"""What the catalogue can express: controls, learning rate and length, read from code and written to it.

Owns the list of controls with their ranges, and the translation between a configuration and the two
files that hold it. Which configuration to try belongs to `catalogue`.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Literal

from workspaces.edits import Edit

RECIPE = "recipe.py"
ENTROPY_CONTROL = "entropy_control.py"

LEARNING_RATES = (0.5, 0.7, 0.85, 1.0, 1.2, 1.4, 1.7, 2.2, 3.0, 4.0, 5.0)
LENGTHS = (0.5, 0.7, 0.85, 1.0)


@dataclass(frozen=True)
class Control:
    """An entropy control with the one hyper-parameter that the catalogue moves.

    `grid` goes from weak to strong, `usual` is where to begin, `default` is what the class takes when
    nothing is said; `effect` says in words what the control does to entropy.
    """

    name: str
    module: str
    slot: Literal["loss", "advantage", "average", "term"]
    label: str
    parameter: str
    default: float
    usual: float
    grid: tuple[float, ...]
    effect: str

    def described(self, value: float) -> str:
        return self.label.format(f"{value:g}")

    def written(self, value: float) -> str:
        return f"{self.name}({self.parameter}={value:g})"


CONTROLS = {
    control.name: control
    for control in (
        Control(
            "ClipHigher", "clip_higher", "loss", "clip-higher {}", "high", 0.28, 0.28,
            (0.24, 0.28, 0.34, 0.4),
            "unlikely tokens may grow further before clipping stops them",
        ),
        Control(
            "ClipCov", "clip_cov", "loss", "Clip-Cov {}", "fraction", 2e-4, 0.02,
            (0.0002, 0.001, 0.005, 0.02, 0.05),
            "the few tokens whose covariance with the advantage spends most entropy get no gradient",
        ),
        Control(
            "ForkingTokens", "forking_tokens", "loss", "forking tokens {}", "fraction", 0.2, 0.2,
            (0.5, 0.35, 0.2, 0.1),
            "only the most uncertain tokens learn, so settled ones are not sharpened further",
        ),
        Control(
            "PassAtKAdvantage", "pass_at_k_advantage", "advantage", "pass@{} advantages", "k", 2, 2,
            (2, 3, 4, 8),
            "a group is rewarded for one right answer among k, so easy prompts stop spending entropy",
        ),
        Control(
            "WeightAverage", "weight_average", "average", "weight averaging {}", "decay", 0.98, 0.98,
            (0.9, 0.95, 0.98, 0.99),
            "the noise of the last updates is averaged away, as a lower rate at the end would",
        ),
        Control(
            "EntropyBonus", "entropy_bonus", "term", "entropy bonus {}", "coefficient", 0.005, 0.005,
            (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02),
            "uncertainty itself is paid for",
        ),
        Control(
            "KlToStart", "kl_to_start", "term", "KL to the start {}", "coefficient", 0.01, 0.05,
            (0.01, 0.02, 0.05, 0.1, 0.2),
            "the policy is held near its start, whose entropy is high",
        ),
    )
}  # fmt: skip
_ORDER = {name: rank for rank, name in enumerate(CONTROLS)}
_PLAIN = {
    "LOSS": ("ppo_clip", "PpoClip"),
    "ADVANTAGE": ("group_advantage", "GroupAdvantage"),
    "AVERAGE": ("last_iterate", "LastIterate"),
}


@dataclass(frozen=True)
class Configuration:
    """One point of the catalogue. `controls` are (name, value) in the order of `CONTROLS`."""

    controls: tuple[tuple[str, float], ...]
    learning_rate: float
    steps: int

    def described(self) -> str:
        return " + ".join(CONTROLS[name].described(value) for name, value in self.controls) or "no control"


def read(files: Mapping[str, str]) -> Configuration | None:
    """The configuration that the two files hold; None where they hold something the catalogue cannot say."""
    recipe, control = _constants(files.get(RECIPE, "")), _constants(files.get(ENTROPY_CONTROL, ""))
    if recipe is None or control is None:
        return None
    rate, steps = _number(recipe.get("LEARNING_RATE")), _number(recipe.get("STEPS"))
    terms = control.get("TERMS")
    if rate is None or rate <= 0 or steps is None or steps < 1 or steps != int(steps):
        return None
    if not isinstance(terms, ast.Tuple | ast.List):
        return None
    found: dict[str, float] = {}
    slots = [(name.lower(), control.get(name)) for name in _PLAIN]
    for slot, node in [*slots, *(("term", term) for term in terms.elts)]:
        part = _component(slot, node)
        if part is None or part[0] in found:
            return None
        if part[0]:
            found[part[0]] = part[1]
    return Configuration(_ordered(found), rate, int(steps))


def edits(files: Mapping[str, str], target: Configuration, fallback: Mapping[str, str]) -> tuple[Edit, ...]:
    """Edits that turn `files` into `target`; files that cannot be read are replaced by `fallback`'s."""
    current = read(files)
    changes = []
    if current is None or current.controls != target.controls:
        changes.append(Edit(path=ENTROPY_CONTROL, content=_entropy_control(target)))
    source = fallback[RECIPE] if current is None else files[RECIPE]
    moved = {"LEARNING_RATE": scientific(target.learning_rate), "STEPS": str(target.steps)}
    lines = {name: _line(source, name) for name in moved}
    if current is None:
        for name, literal in moved.items():
            source = source.replace(lines[name], _assigned(lines[name], literal), 1)
        return (
            (*changes, Edit(path=RECIPE, content=source)) if source != files.get(RECIPE) else tuple(changes)
        )
    for name, old in (("LEARNING_RATE", current.learning_rate), ("STEPS", current.steps)):
        if old != getattr(target, name.lower()):
            changes.append(Edit(path=RECIPE, search=lines[name], replace=_assigned(lines[name], moved[name])))
    return tuple(changes)


def neighbours(
    centre: Configuration,
    baseline: Configuration,
    known: Mapping[str, Collection[float]],
    promising: Collection[str],
) -> Iterator[Configuration]:
    """Configurations near `centre`: one control moved, learning rate within two steps, length within one.

    `known` says which values of a control were measured: a control is first tried at its usual value,
    then one step beyond what is known. Two controls move at once only where both are `promising`.
    """
    grid = [_rounded(baseline.learning_rate * ratio) for ratio in LEARNING_RATES]
    rates = _near(grid, centre.learning_rate, 2)
    lengths = _near([max(1, round(baseline.steps * ratio)) for ratio in LENGTHS], centre.steps, 1)
    moves = list(_moves(dict(centre.controls), known))
    paired = [
        {**first, **second}
        for first, second in combinations([move for move in moves if move.keys() <= set(promising)], 2)
        if not first.keys() & second.keys()
    ]
    for move in [{}, *moves, *paired]:
        controls = _placed(dict(centre.controls), move)
        for rate in rates:
            for steps in lengths:
                yield Configuration(controls, rate, int(steps))


def _near(grid: Sequence[float], value: float, steps: int) -> list[float]:
    at = min(range(len(grid)), key=lambda index: abs(math.log(grid[index] / value)))
    return sorted({value, *grid[max(at - steps, 0) : at + steps + 1]})


def scientific(value: float) -> str:
    """Two significant digits as a person writes them: 5e-5, 1.5e-4."""
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def _moves(
    controls: Mapping[str, float], known: Mapping[str, Collection[float]]
) -> Iterator[dict[str, float | None]]:
    for name, control in CONTROLS.items():
        if name in controls:
            yield {name: None}
        reached = {control.usual, *known.get(name, ())}
        for rank, value in enumerate(control.grid):
            near = control.grid[max(rank - 1, 0) : rank + 2] if name in known else (value,)
            if controls.get(name) != value and reached.intersection(near):
                yield {name: value}


def _placed(controls: dict[str, float], move: Mapping[str, float | None]) -> tuple[tuple[str, float], ...]:
    for name, value in move.items():
        slot = CONTROLS[name].slot
        if value is not None and slot != "term":
            controls = {other: held for other, held in controls.items() if CONTROLS[other].slot != slot}
        controls.pop(name, None)
        if value is not None:
            controls[name] = value
    return _ordered(controls)


def _ordered(controls: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    return tuple(sorted(controls.items(), key=lambda part: _ORDER[part[0]]))


def _entropy_control(target: Configuration) -> str:
    parts = {slot: list[str]() for slot in ("loss", "advantage", "average", "term")}
    modules = {}
    for name, value in target.controls:
        parts[CONTROLS[name].slot].append(CONTROLS[name].written(value))
        modules[CONTROLS[name].module] = name
    for slot, (module, name) in _PLAIN.items():
        if not parts[slot.lower()]:
            parts[slot.lower()].append(f"{name}()")
            modules[module] = name
    imports = "\n".join(f"from controls.{module} import {modules[module]}" for module in sorted(modules))
    terms = "".join(f"{term}, " for term in parts["term"]).removesuffix(" ")
    terms = terms if len(parts["term"]) == 1 else terms.removesuffix(",")
    return (
        '"""The entropy control in force: a loss, an advantage, an average, any terms, any sampling. '
        'Yours to edit."""\n\n'
        f"{imports}\n\nLOSS = {parts['loss'][0]}\nADVANTAGE = {parts['advantage'][0]}\n"
        f"AVERAGE = {parts['average'][0]}\nTERMS = ({terms})\nSAMPLING = ()\n"
    )


@lru_cache(maxsize=1024)
def _constants(source: str) -> Mapping[str, ast.expr] | None:
    try:
        module = ast.parse(source)
    except (SyntaxError, ValueError):
        return None
    found: dict[str, ast.expr] = {}
    for node in module.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            found[node.target.id] = node.value
    return found


def _component(slot: str, node: ast.expr | None) -> tuple[str, float] | None:
    """(name, value) of a control, ("", 0.0) for the plain part of a slot, None for anything else."""
    if not isinstance(node, ast.Call) or node.args:
        return None
    function = node.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if any(name == plain for _, plain in _PLAIN.values()):
        return None if node.keywords or (slot, name) not in _PLAIN_SLOTS else ("", 0.0)
    control = CONTROLS.get(name)
    if control is None or control.slot != slot:
        return None
    given = {keyword.arg: _number(keyword.value) for keyword in node.keywords}
    value = given.pop(control.parameter, control.default)
    return None if given or value is None or value <= 0 else (name, value)


_PLAIN_SLOTS = {(slot.lower(), name) for slot, (_, name) in _PLAIN.items()}


def _number(node: ast.expr | None) -> float | None:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return float(node.value)  # type: ignore[arg-type]
    return None


def _line(source: str, name: str) -> str:
    found = re.search(rf"^{name}\b[^=\n]*=.*$", source, re.MULTILINE)
    return found.group(0) if found else ""


def _assigned(line: str, literal: str) -> str:
    return re.sub(r"=\s*[^\s#]+", lambda _: f"= {literal}", line, count=1)


def _rounded(rate: float) -> float:
    return float(f"{rate:.2g}")
