"""The controls that the catalogue moves: those of its own, and what a user laid beside the shipped ones.

Owns the table as data: ranges, words, and which controls go together. Nothing is proposed here.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TypeAlias

from workspaces.controls import SHIPPED, Kind, NotAControl, parse_control, shipped_controls, tuning
from workspaces.controls import Control as ControlFile

FOLDER = "controls"
SEVERAL: tuple[Kind, ...] = ("term", "sampling")
_TOLD = ("moves_entropy", "drops_equal_rewards", "learns_from_equal_rewards")


@dataclass(frozen=True)
class Control:
    """An entropy control with the one hyper-parameter that the catalogue moves.

    `grid` goes from weak to strong, `usual` is where to begin, `default` is what the class takes when
    nothing is said; `effect` says in words what the control does to entropy. Without a `parameter` it is
    in force or not, and its value is 1. `flags` are the class variables that say what it goes with.
    """

    name: str
    module: str
    slot: Kind
    label: str
    parameter: str
    default: float
    usual: float
    grid: tuple[float, ...]
    effect: str
    flags: frozenset[str] = frozenset()

    def described(self, value: float) -> str:
        return self.label.format(f"{value:g}")

    def written(self, value: float) -> str:
        return f"{self.name}({self.parameter}={value:g})" if self.parameter else f"{self.name}()"


Table: TypeAlias = Mapping[str, Control]
CONTROLS: Table = {
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
            frozenset({"moves_entropy"}),
        ),
        Control(
            "KlToStart", "kl_to_start", "term", "KL to the start {}", "coefficient", 0.01, 0.05,
            (0.01, 0.02, 0.05, 0.1, 0.2),
            "the policy is held near its start, whose entropy is high",
        ),
    )
}  # fmt: skip


def table_of(files: Mapping[str, str]) -> Table:
    """Those of `CONTROLS` that a template holds, and after them every control of its that is not shipped."""
    offered = _offered(files)
    theirs = {path: text for path, text in files.items() if _is_own(path)}
    own = _read(tuple(sorted(theirs.items()))) if theirs else ()
    return {**offered, **{control.name: control for control in own}} if own else offered


def _offered(files: Mapping[str, str]) -> Table:
    """All of them where a template shows no file of any."""
    held = {name: one for name, one in CONTROLS.items() if f"{FOLDER}/{one.module}.py" in files}
    return held if 0 < len(held) < len(CONTROLS) else CONTROLS


def go_together(names: Collection[str], table: Table) -> bool:
    """Whether the template would not refuse these controls as having no meaning together."""
    flags = [flag for name in names for flag in table[name].flags]
    clash = {"drops_equal_rewards", "learns_from_equal_rewards"} <= set(flags)
    return flags.count("moves_entropy") < 2 and not clash


def _is_own(path: str) -> bool:
    pure = PurePosixPath(path)
    return str(pure.parent) == FOLDER and pure.suffix == ".py" and pure.name not in _shipped_files()


@lru_cache(maxsize=1)
def _shipped_files() -> frozenset[str]:
    return frozenset(path.name for path in SHIPPED.glob("*.py"))


@lru_cache(maxsize=8)
def _read(files: tuple[tuple[str, str], ...]) -> tuple[Control, ...]:
    found: dict[str, Control] = {}
    taken = shipped_controls().keys()
    for path, text in files:
        try:
            control = _movable(parse_control(text, SHIPPED.parent / path))
        except NotAControl:
            continue
        if control.name not in taken:
            found.setdefault(control.name, control)
    return tuple(found.values())


def _movable(file: ControlFile) -> Control:
    """A control of a user's own as the catalogue moves it. Raises NotAControl: its TUNED is none."""
    moved = tuning(file)
    parameter, grid = (moved.parameter, moved.grid) if moved else ("", (1.0,))
    told = file.defaults.get(parameter)
    default = float(told) if isinstance(told, int | float) and told > 0 else grid[len(grid) // 2]
    return Control(
        name=file.name,
        module=file.module,
        slot=file.kind,
        label=f"{file.name} {{}}" if parameter else file.name,
        parameter=parameter,
        default=default,
        usual=min(grid, key=lambda value: abs(math.log(value / default))),
        grid=grid,
        effect=file.summary.rstrip(".") or "a control of the user's own",
        flags=frozenset(flag for flag in _TOLD if file.flags.get(flag)),
    )
