"""Checks controls by module name and writes what was found, one JSON row a finding.

Runs inside the sandbox: `python -m checks.check_control SECONDS MODULE...`. Rows go to /out/findings.jsonl as
they are made, so that a control that ends the process is known by the check that it did not survive.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from checks.calls import Calls, Refused
from checks.losses import LossChecks
from checks.others import AdvantageChecks, AverageChecks, SamplingChecks
from checks.speed import LARGEST_RATIO, LEAST_EXTRA_SECONDS
from checks.speed import seconds as seconds_of

ROOT = Path(os.environ.get("SZILARD_ROOT") or "/")
METHODS = {
    "loss": "loss",
    "term": "loss",
    "advantage": "advantages",
    "average": "update",
    "sampling": "around",
}
CHECKS: dict[str, Callable[[Any, Calls], Any]] = {
    "loss": LossChecks,
    "term": LossChecks,
    "advantage": AdvantageChecks,
    "average": AverageChecks,
    "sampling": SamplingChecks,
}
NAMES = {
    "answers": "returns what is asked for",
    "reaches": "gradient reaches the policy",
    "edges": "finite at the edges",
    "padding": "padding has no part in it",
    "equal_rewards": "nothing learned from equal rewards",
    "direction": "gradient points the right way",
    "randomness": "random state left alone",
}


class Report:
    """The findings of one control, written as they are made."""

    def __init__(self, module: str, path: Path) -> None:
        self._module = module
        self._path = path

    def run(self, check: str, function: Callable[[], list[str]]) -> bool:
        """Whether a check was passed, with warnings or without."""
        self._write(check, "begun", "")
        try:
            warned = function()
        except Refused as refused:
            self._write(check, "refused", str(refused))
            return False
        self._write(check, "warned" if warned else "passed", "; ".join(warned))
        return True

    def measured(self, figure: float) -> None:
        self._write("speed", "measured", "", ratio=figure)

    def _write(self, check: str, outcome: str, said: str, **more: float) -> None:
        row = {"control": self._module, "check": check, "outcome": outcome, "said": said, **more}
        with self._path.open("a") as file:
            file.write(json.dumps(row) + "\n")


def check(module: str, settings: list[dict[str, Any]], seconds: float) -> None:
    """Check the control of `controls/MODULE.py`, and that each of these settings is finite too."""
    report = Report(module, ROOT / "out" / "findings.jsonl")
    calls = Calls(module, seconds)
    made: list[Any] = []

    def importing() -> list[str]:
        made.append(_made(calls, module))
        return []

    if not report.run("can be made", importing):
        return
    control = made[0]
    checks = CHECKS[control.kind](control, calls)
    if not report.run(NAMES["answers"], checks.answers):
        return
    for name, title in NAMES.items():
        if name != "answers" and hasattr(checks, name):
            report.run(title, getattr(checks, name))
    if settings:
        report.run("finite at its other settings", lambda: _at(control, calls, settings))
    if control.kind != "sampling":
        report.run("speed", lambda: _speed(control, calls, report))


def _made(calls: Calls, module: str) -> Any:
    found = calls(importlib.import_module, f"controls.{module}")
    classes = [
        kind
        for kind in vars(found).values()
        if inspect.isclass(kind) and kind.__module__ == found.__name__ and hasattr(kind, "kind")
    ]
    if len(classes) != 1:
        raise Refused(f"the file defines {len(classes)} classes with a `kind`: write one control a file")
    control = _instance(calls, classes[0])
    if control.kind not in METHODS:
        raise Refused(f"kind is {control.kind!r}: it must be one of {', '.join(METHODS)}")
    if not callable(getattr(control, METHODS[control.kind], None)):
        raise Refused(f"a control of kind {control.kind!r} needs a method {METHODS[control.kind]}()")
    return control


def _instance(calls: Calls, kind: Any) -> Any:
    parameters = vars(kind).get("__dataclass_params__")
    if parameters is None or not parameters.frozen:
        raise Refused("the class is no frozen dataclass: write @dataclass(frozen=True) above it")
    if "kind" in {field.name for field in dataclasses.fields(kind)}:
        raise Refused("`kind` is a hyper-parameter: annotate it as `kind: ClassVar[str]`")
    try:
        return calls(kind)
    except Refused as error:
        raise Refused(f"it cannot be made, give every hyper-parameter a default: {error}") from None


def _at(control: Any, calls: Calls, settings: list[dict[str, Any]]) -> list[str]:
    for arguments in settings:
        try:
            other = calls(lambda given=arguments: dataclasses.replace(control, **given))
            checks = CHECKS[control.kind](other, calls)
            checks.answers()
            if hasattr(checks, "edges"):
                checks.edges()
        except Refused as error:
            said = ", ".join(f"{name}={value:g}" for name, value in arguments.items())
            raise Refused(
                f"with {said} {error}. A run would try it: name better values, "
                '`TUNED: ClassVar = ("parameter", (0.1, 0.2, 0.4))`, from weak to strong'
            ) from None
    return []


def _speed(control: Any, calls: Calls, report: Report) -> list[str]:
    ours, plain = seconds_of(control, calls)
    report.measured(ours / plain)
    if ours > LARGEST_RATIO * plain and ours - plain > LEAST_EXTRA_SECONDS:
        return [f"a call takes {1e3 * ours:.2g} ms, the plain one {1e3 * plain:.2g} ms"]
    return []


def main(arguments: list[str]) -> None:
    sys.dont_write_bytecode = True
    torch.set_num_threads(1)
    torch.set_deterministic_debug_mode("error")
    settings = json.loads((ROOT / "data" / "settings.json").read_text())
    for module in arguments[1:]:
        check(module, settings.get(module, []), float(arguments[0]))


if __name__ == "__main__":
    main(sys.argv[1:])
