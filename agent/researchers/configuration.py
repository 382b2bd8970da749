"""What the catalogue can express: controls, learning rate and length, read from code and written to it.

Owns the translation between a configuration and the two files that hold it, and what lies near one. Which
controls there are is said in `control_table`, which configuration to try in `catalogue`.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

from agent.researchers.control_table import CONTROLS, SEVERAL, Control, Table, go_together
from workspaces.controls import KINDS, Kind
from workspaces.edits import Edit
from workspaces.syntax import parse

RECIPES = ("recipe.py", "train.py")
ENTROPY_CONTROL = "entropy_control.py"

LEARNING_RATES = (0.5, 0.7, 0.85, 1.0, 1.2, 1.4, 1.7, 2.2, 3.0, 4.0, 5.0)
LENGTHS = (0.5, 0.7, 0.85, 1.0)


_PLAIN = {
    "LOSS": ("ppo_clip", "PpoClip"),
    "ADVANTAGE": ("group_advantage", "GroupAdvantage"),
    "AVERAGE": ("last_iterate", "LastIterate"),
}
_PLAIN_KINDS: Mapping[str, Kind] = {"LOSS": "loss", "ADVANTAGE": "advantage", "AVERAGE": "average"}


@dataclass(frozen=True)
class Configuration:
    """One point of the catalogue. `controls` are (name, value) in the order of their table."""

    controls: tuple[tuple[str, float], ...]
    learning_rate: float
    steps: int

    def described(self, table: Table = CONTROLS) -> str:
        return " + ".join(table[name].described(value) for name, value in self.controls) or "no control"


def recipe_in(files: Mapping[str, str]) -> str:
    """The file of a template that names learning rate and length."""
    return next((path for path in RECIPES if path in files), RECIPES[0])


def read(files: Mapping[str, str], table: Table = CONTROLS) -> Configuration | None:
    """The configuration that the two files hold; None where they hold something the catalogue cannot say."""
    return _read(files.get(recipe_in(files), ""), files.get(ENTROPY_CONTROL, ""), tuple(table.items()))


@lru_cache(maxsize=4096)
def _read(
    recipe_file: str, control_file: str, controls: tuple[tuple[str, Control], ...]
) -> Configuration | None:
    recipe, control, table = _constants(recipe_file), _constants(control_file), dict(controls)
    if recipe is None or control is None:
        return None
    rate, steps = _number(recipe.get("LEARNING_RATE")), _number(recipe.get("STEPS"))
    terms = control.get("TERMS")
    if rate is None or rate <= 0 or steps is None or steps < 1 or steps != int(steps):
        return None
    if not isinstance(terms, ast.Tuple | ast.List):
        return None
    found: dict[str, float] = {}
    slots = [(name.lower(), control.get(name)) for name in _slots(control)]
    for slot, node in [*slots, *(("term", term) for term in terms.elts)]:
        part = _component(slot, node, table)
        if part is None or part[0] in found:
            return None
        if part[0]:
            found[part[0]] = part[1]
    found |= _sampling(control.get("SAMPLING"), table)
    return Configuration(ordered(found, table), rate, int(steps))


def edits(
    files: Mapping[str, str], target: Configuration, fallback: Mapping[str, str], table: Table = CONTROLS
) -> tuple[Edit, ...]:
    """Edits that turn `files` into `target`; files that cannot be read are replaced by `fallback`'s."""
    current = read(files, table)
    changes = []
    if current is None or current.controls != target.controls:
        control = _entropy_control(target, fallback[ENTROPY_CONTROL], table)
        changes.append(Edit(path=ENTROPY_CONTROL, content=control))
    recipe = recipe_in(fallback)
    source = fallback[recipe] if current is None else files[recipe]
    moved = {"LEARNING_RATE": scientific(target.learning_rate), "STEPS": str(target.steps)}
    lines = {name: _line(source, name) for name in moved}
    if current is None:
        for name, literal in moved.items():
            source = source.replace(lines[name], _assigned(lines[name], literal), 1)
        return (
            (*changes, Edit(path=recipe, content=source)) if source != files.get(recipe) else tuple(changes)
        )
    for name, old in (("LEARNING_RATE", current.learning_rate), ("STEPS", current.steps)):
        if old != getattr(target, name.lower()):
            changes.append(Edit(path=recipe, search=lines[name], replace=_assigned(lines[name], moved[name])))
    return tuple(changes)


def neighbours(
    centre: Configuration,
    baseline: Configuration,
    known: Mapping[str, Collection[float]],
    promising: Collection[str],
    table: Table = CONTROLS,
) -> Iterator[Configuration]:
    """Configurations near `centre`: one control moved, learning rate within two steps, length within one.

    `known` says which values of a control were measured: a control is first tried at its usual value,
    then one step beyond what is known. Two controls move at once only where both are `promising`.
    """
    grid = [rounded(baseline.learning_rate * ratio) for ratio in LEARNING_RATES]
    rates = _near(grid, centre.learning_rate, 2)
    lengths = _near([max(1, round(baseline.steps * ratio)) for ratio in LENGTHS], centre.steps, 1)
    moves = list(_moves(dict(centre.controls), known, table))
    paired = [
        {**first, **second}
        for first, second in combinations([move for move in moves if move.keys() <= set(promising)], 2)
        if not first.keys() & second.keys()
    ]
    for move in [{}, *moves, *paired]:
        controls = _placed(dict(centre.controls), move, table)
        if not go_together([name for name, _ in controls], table):
            continue
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
    controls: Mapping[str, float], known: Mapping[str, Collection[float]], table: Table
) -> Iterator[dict[str, float | None]]:
    for name, control in table.items():
        if name in controls:
            yield {name: None}
        reached = {control.usual, *known.get(name, ())}
        for rank, value in enumerate(control.grid):
            near = control.grid[max(rank - 1, 0) : rank + 2] if name in known else (value,)
            if controls.get(name) != value and reached.intersection(near):
                yield {name: value}


def _placed(
    controls: dict[str, float], move: Mapping[str, float | None], table: Table
) -> tuple[tuple[str, float], ...]:
    for name, value in move.items():
        slot = table[name].slot
        if value is not None and slot not in SEVERAL:
            controls = {other: held for other, held in controls.items() if table[other].slot != slot}
        controls.pop(name, None)
        if value is not None:
            controls[name] = value
    return ordered(controls, table)


def ordered(controls: Mapping[str, float], table: Table) -> tuple[tuple[str, float], ...]:
    order = {name: rank for rank, name in enumerate(table)}
    return tuple(sorted(controls.items(), key=lambda part: order[part[0]]))


def _slots(control: Mapping[str, ast.expr]) -> Sequence[str]:
    """The parts that a template has one of: a loss and an advantage only where rewards are learned from."""
    return ("AVERAGE",) if "LOSS" not in control and "ADVANTAGE" not in control else tuple(_PLAIN)


def _entropy_control(target: Configuration, before: str, table: Table) -> str:
    """The file with these controls in force; docstring and slots are those of the file `before`."""
    held = _constants(before) or {}
    parts = {slot: list[str]() for slot in KINDS}
    modules = {}
    for name, value in target.controls:
        parts[table[name].slot].append(table[name].written(value))
        modules[table[name].module] = name
    for slot in _slots(held):
        module, name = _PLAIN[slot]
        if not parts[_PLAIN_KINDS[slot]]:
            parts[_PLAIN_KINDS[slot]].append(f"{name}()")
            modules[module] = name
    written = {slot: parts[_PLAIN_KINDS[slot]][0] for slot in _slots(held)}
    several = {"TERMS": parts["term"], "SAMPLING": parts["sampling"]}
    written |= {slot: _tuple(several[slot]) for slot in several if slot in held or several[slot]}
    imports = [f"from controls.{module} import {modules[module]}" for module in sorted(modules)]
    lines = [f"{slot} = {value}" for slot, value in written.items()]
    return "\n".join([*_docstring(before), "", *imports, "", *lines]) + "\n"


def _docstring(source: str) -> Sequence[str]:
    """The lines of a module up to the end of its docstring."""
    tree = parse(source)
    return source.splitlines()[: tree.body[0].end_lineno] if ast.get_docstring(tree) is not None else []


def _tuple(written: Sequence[str]) -> str:
    return f"({', '.join(written)}{',' if len(written) == 1 else ''})"


def _constants(source: str) -> Mapping[str, ast.expr] | None:
    try:
        module = parse(source)
    except (SyntaxError, ValueError):
        return None
    found: dict[str, ast.expr] = {}
    for node in module.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            found[node.target.id] = node.value
    return found


def _component(slot: str, node: ast.expr | None, table: Table) -> tuple[str, float] | None:
    """(name, value) of a control, ("", 0.0) for the plain part of a slot, None for anything else."""
    if not isinstance(node, ast.Call) or node.args:
        return None
    function = node.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if any(name == plain for _, plain in _PLAIN.values()):
        return None if node.keywords or (slot, name) not in _PLAIN_SLOTS else ("", 0.0)
    control = table.get(name)
    if control is None or control.slot != slot:
        return None
    given = {keyword.arg: _number(keyword.value) for keyword in node.keywords}
    value = given.pop(control.parameter, control.default) if control.parameter else control.default
    return None if given or value is None or value <= 0 else (name, value)


_PLAIN_SLOTS = {(slot.lower(), name) for slot, (_, name) in _PLAIN.items()}


def _sampling(node: ast.expr | None, table: Table) -> dict[str, float]:
    """The sampling controls of the table; others are left out, as the catalogue does not move them."""
    parts = [_component("sampling", part, table) for part in getattr(node, "elts", ())]
    return {part[0]: part[1] for part in parts if part is not None and part[0]}


def _number(node: ast.expr | None) -> float | None:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return float(node.value)  # type: ignore[arg-type]
    return None


def _line(source: str, name: str) -> str:
    found = re.search(rf"^{name}\b[^=\n]*=.*$", source, re.MULTILINE)
    return found.group(0) if found else ""


def _assigned(line: str, literal: str) -> str:
    return re.sub(r"=\s*[^\s#]+", lambda _: f"= {literal}", line, count=1)


def rounded(rate: float) -> float:
    return float(f"{rate:.2g}")
