"""CPU seconds of a training step with each entropy control in force, against the step without one.

`python benchmarks/control_step.py [--rounds N] [CONTROL ...]`. The template's own recipe.train in this
process, one thread, at the recipe's own shape, once for each control of workspaces/templates/controls at its
published hyper-parameters: everything a training does, the trace included.

Different controls train different policies, whose completions differ in length, and so would their steps
in time whatever the control costs. So every training here samples from the starting policy instead of its
own, with the same generator: the rollouts cost what rollouts cost and are identical to the token,
and what differs between two steps is the control. `step` is the ratio of whole steps and what the target is
for; `update` that of the step without its rollout.

A training is a few steps long, the first of which does not count, and the median of the others is its
figure; each is divided by the mean of the plain trainings just before and after it. Ratios are medians over
the rounds, with an interval from order statistics (95 per cent from 6 rounds on). CPU seconds: what other
processes of the machine do does not count. Controls that need a forward pass of the starting policy, and
those that sample otherwise (whose rollouts are not the same), are listed apart and not judged.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from environments.countdown.environment import Countdown
from workspaces.controls import SHIPPED, Control, shipped_controls

STEPS, ROUNDS = 5, 15
MOST = 1.10
COVERAGE = 0.95
SLOTS = {
    "loss": "LOSS",
    "advantage": "ADVANTAGE",
    "average": "AVERAGE",
    "term": "TERMS",
    "sampling": "SAMPLING",
}


@dataclass(frozen=True)
class Cost:
    """Median CPU seconds of the counted steps of one training, whole and without the rollout."""

    step: float
    update: float


@dataclass(frozen=True)
class Ratio:
    """Median of paired ratios, and an interval for it."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:6.3f} [{self.low:.3f}, {self.high:.3f}]"


class Trainer:
    """Runs short trainings of the template with one control in force, all from the same rollouts."""

    def __init__(self, root: Path) -> None:
        for name in ("data", "out"):
            (root / name).mkdir()
        (root / "policy").symlink_to(Countdown().starting_policy())
        unlimited = {"tokens": 10**9, "updates": 10**9}
        job = {"environment": "countdown", "seed": 0, "device": "cpu", "budget": unlimited}
        (root / "data" / "job.json").write_text(json.dumps(job))
        os.environ["SZILARD_ROOT"] = str(root)
        sys.path[:0] = [str(SHIPPED.parent), str(SHIPPED.parent / "grpo")]
        self._recipe = importlib.import_module("recipe")
        self._recipe.STEPS = STEPS + 1  # type: ignore[attr-defined]
        self._session = timed_session(importlib.import_module("session"))
        self._plain = {slot: getattr(self._recipe, slot) for slot in SLOTS.values()}

    def cost(self, control: Control | None) -> Cost:
        in_force = self._plain if control is None else {**self._plain, **self._slot(control)}
        for slot, value in in_force.items():
            setattr(self._recipe, slot, value)
        session = self._session()
        self._recipe.train(session)
        session.close()
        steps = [end - start for start, end in zip(session.ends, session.ends[1:], strict=False)]
        updates = [step - rollout for step, rollout in zip(steps, session.rollouts[1:], strict=True)]
        return Cost(statistics.median(steps), statistics.median(updates))

    def _slot(self, control: Control) -> Mapping[str, Any]:
        made = getattr(importlib.import_module(f"controls.{control.module}"), control.name)()
        return {SLOTS[control.kind]: (made,) if control.kind in ("term", "sampling") else made}


def timed_session(module: ModuleType) -> type[Any]:
    """The template's session, but sampling from the starting policy and with a stop-watch."""

    class TimedSession(module.Session):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.ends: list[float] = []
            self.rollouts: list[float] = []
            self._sampled = self.starting_policy()
            self._sampling = 0.0

        def rollout(self, policy: Any, **request: Any) -> Any:
            start = time.process_time()
            drawn = super().rollout(self._sampled, **request)
            self._sampling += time.process_time() - start
            return drawn

        def record(self, *row: Any) -> None:
            super().record(*row)
            self.ends.append(time.process_time())
            self.rollouts.append(self._sampling)
            self._sampling = 0.0

        def close(self) -> None:
            self._trace.close()

    return TimedSession


def paired(trainer: Trainer, controls: Sequence[Control], rounds: int) -> dict[str, tuple[Ratio, Ratio]]:
    """Ratios of whole steps and of updates, by control; plain trainings stand between all others."""
    ratios: dict[str, list[tuple[float, float]]] = {control.name: [] for control in controls}
    before = trainer.cost(None)
    for _ in range(rounds):
        for control in controls:
            found, after = trainer.cost(control), trainer.cost(None)
            ratios[control.name].append(
                (
                    2 * found.step / (before.step + after.step),
                    2 * found.update / (before.update + after.update),
                )
            )
            before = after
    return {
        name: (of_median([step for step, _ in found]), of_median([update for _, update in found]))
        for name, found in ratios.items()
    }


def of_median(values: Sequence[float]) -> Ratio:
    """The median with the narrowest symmetrical order statistics that cover it in 95% of samples."""
    ordered, count = sorted(values), len(values)
    cut = 0
    while cut + 1 < (count + 1) // 2 and _misses(count, cut + 1) <= 1 - COVERAGE:
        cut += 1
    return Ratio(statistics.median(ordered), ordered[cut], ordered[-1 - cut])


def _misses(count: int, cut: int) -> float:
    """Chance that the median lies outside the order statistics left when `cut` are cut off either end."""
    return 2 * sum(math.comb(count, below) for below in range(cut + 1)) / 2.0**count


def show(
    title: str,
    controls: Sequence[Control],
    found: Mapping[str, tuple[Ratio, Ratio]],
    most: float | None = None,
) -> bool:
    """Print one table; with a limit each control is judged. Whether all hold."""
    held = True
    print(f"\n{title:35} {'step':>22} {'update':>22}")
    for control in controls:
        step, update = found[control.name]
        holds = most is None or step.median <= most
        held &= holds
        verdict = "" if most is None else "PASS" if holds else "FAIL"
        print(f"{control.kind + ' ' + control.name:35} {step} {update}  {verdict}".rstrip())
    return held


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("controls", nargs="*", metavar="CONTROL", help="only these, by name (default: all)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help="default 15")
    options = parser.parse_args()
    known = shipped_controls()
    unknown = [name for name in options.controls if name not in known]
    if unknown:
        parser.error(f"no control is called {', '.join(unknown)}: there are {', '.join(known)}")
    chosen = [control for name, control in known.items() if name in (options.controls or known)]

    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(Path(folder))
        plain = [trainer.cost(None) for _ in range(3)]
        print(
            f"plain step {1000 * statistics.median(cost.step for cost in plain):.1f} ms, without its rollout "
            f"{1000 * statistics.median(cost.update for cost in plain):.1f} ms; "
            f"{options.rounds} x {STEPS} steps a control, one thread"
        )
        found = paired(trainer, chosen, options.rounds)

    passes = [control for control in chosen if control.flags.get("needs_reference")]
    samples = [control for control in chosen if control.kind == "sampling"]
    rest = [control for control in chosen if control not in passes and control not in samples]
    held = show(f"no extra forward (at most {MOST:.2f})", rest, found, MOST)
    if passes:
        show("with a forward pass of its own", passes, found)
    if samples:
        show("sampling otherwise", samples, found)
    print(
        "\nPpoClip, GroupAdvantage and LastIterate are the plain step: how far off 1 they are is how far to "
        "trust the rest."
    )
    print(f"{'PASS' if held else 'FAIL'}: every control without a forward pass of its own within {MOST:.2f}")
    sys.exit(not held)


if __name__ == "__main__":
    main()
