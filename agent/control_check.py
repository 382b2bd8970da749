"""Checks controls in the sandbox before anything relies on them: a file may have been written by a machine.

Owns the work tree of a check and the reading of what it found. What is tested is said in the template's
`checks`. A control that means to deceive its check can, since it shares the process: what keeps it from doing
harm is the sandbox, here and in training.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.check import CheckFailed, check_code
from environments.base import SzilardError
from workspaces.controls import SHIPPED, Control, read_control, refuse_taken, tuning
from workspaces.executors.base import Job, Limits, Outcome
from workspaces.executors.local import LocalExecutor
from workspaces.sandbox import choose_sandbox

CHECKS = SHIPPED.parent / "checks"
SECONDS_A_CALL = 20.0
SECONDS_TO_START = 10.0
FINDINGS_BYTES = 2**20


class ControlRefused(SzilardError):
    """A control that must not be trained; the message says what to change."""


@dataclass(frozen=True)
class Finding:
    """What one check said; `said` is empty where there is nothing to say."""

    check: str
    outcome: Literal["passed", "warned", "refused"]
    said: str


@dataclass(frozen=True)
class Checked:
    """A control and what was found; `speed` is its time over the plain control's, None if not measured."""

    control: Control
    findings: tuple[Finding, ...]
    speed: float | None

    @property
    def refused(self) -> bool:
        return any(finding.outcome == "refused" for finding in self.findings)

    def require(self) -> None:
        """Return if it may be trained.

        Raises:
            ControlRefused: it may not; all reasons, each once.
        """
        said = [
            f"{finding.said} ({finding.check})" for finding in self.findings if finding.outcome == "refused"
        ]
        if said:
            raise ControlRefused(f"{self.control.path} is refused: {'; also '.join(said)}.")


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid")

    control: str
    check: str = Field(max_length=80)
    outcome: Literal["begun", "passed", "warned", "refused", "measured"]
    said: str = Field(max_length=2000)
    ratio: float | None = Field(default=None, ge=0, allow_inf_nan=False)


def check_controls(
    paths: Sequence[Path], *, sandbox: str = "auto", seconds: float = SECONDS_A_CALL
) -> list[Checked]:
    """Read the controls in these files and test them in one sandbox; a call of one may take `seconds` of CPU.

    Raises:
        NotAControl, ControlRefused: a file cannot be tested at all; the message says why.
        SzilardError: there is no sandbox.
    """
    controls = [_readable(path) for path in paths]
    settings = {control.module: _other_settings(control) for control in controls}
    with tempfile.TemporaryDirectory(prefix="szilard-check-") as name:
        folder = Path(name)
        _assemble(folder / "tree", controls)
        (folder / "data").mkdir()
        (folder / "data" / "settings.json").write_text(json.dumps(settings))
        outcome = _run(folder, controls, sandbox, seconds)
        rows = _read(folder / "job" / "out" / "findings.jsonl")
        log = _last_line(folder / "job" / "stderr.log")
    return [_judged(control, rows, outcome, log) for control in controls]


def _readable(path: Path) -> Control:
    control = read_control(path)
    refuse_taken(control)
    try:
        check_code({**_shipped_texts(), f"controls/{path.name}": path.read_text()})
    except CheckFailed as error:
        raise ControlRefused(f"{path.parent / str(error).removeprefix('controls/')}.") from error
    return control


def _shipped_texts() -> dict[str, str]:
    return {f"controls/{path.name}": path.read_text() for path in sorted(SHIPPED.glob("*.py"))}


def _other_settings(control: Control) -> list[dict[str, float]]:
    """The values that a run would try of a control of a user's own."""
    found = tuning(control)
    if found is None or control.path.resolve().parent == SHIPPED.resolve():
        return []
    whole = isinstance(control.defaults[found.parameter], int)
    return [{found.parameter: int(value) if whole and value == int(value) else value} for value in found.grid]


def _assemble(tree: Path, controls: Sequence[Control]) -> None:
    for source, target in ((SHIPPED, tree / "controls"), (CHECKS, tree / "checks")):
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    for control in controls:
        if not (tree / "controls" / control.path.name).exists():
            shutil.copyfile(control.path, tree / "controls" / control.path.name)


def _run(folder: Path, controls: Sequence[Control], sandbox: str, seconds: float) -> Outcome:
    executor = LocalExecutor(choose_sandbox(sandbox), 1)
    modules = [control.module for control in controls]
    allowed = SECONDS_TO_START + 6 * seconds * len(controls)
    try:
        job = Job(
            name=f"check of {', '.join(modules)}",
            workspace=folder / "tree",
            output=folder / "job" / "out",
            command=("python", "-m", "checks.check_control", str(seconds), *modules),
            limits=Limits(wall_seconds=60 + 2 * allowed, cpu_seconds=allowed, output_bytes=FINDINGS_BYTES),
            inputs={"/data": folder / "data"},
        )
        return executor.wait(executor.submit(job))
    finally:
        executor.close()


def _read(path: Path) -> list[_Row]:
    """The rows that can be read; what is none was not written by the checks."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return []
    rows = []
    for line in lines:
        try:
            rows.append(_Row.model_validate_json(line))
        except ValidationError:
            continue
    return rows


def _judged(control: Control, rows: Sequence[_Row], outcome: Outcome, log: str) -> Checked:
    own = [row for row in rows if row.control == control.module]
    findings = [_documented(control)]
    findings += [
        Finding(row.check, row.outcome, row.said)
        for row in own
        if row.outcome in ("passed", "warned", "refused")
    ]
    if not own or own[-1].outcome in ("begun", "measured"):
        findings.append(Finding(own[-1].check if own else "can be made", "refused", _cut_off(outcome, log)))
    return Checked(control, tuple(findings), next((row.ratio for row in own if row.ratio is not None), None))


def _documented(control: Control) -> Finding:
    if control.summary:
        return Finding("says what it does", "passed", "")
    return Finding(
        "says what it does", "warned", "the file has no docstring: researchers and pages show its first line"
    )


def _cut_off(outcome: Outcome, log: str) -> str:
    if outcome.limit is not None:
        return f"it was ended by its limit of {outcome.limit}: look for a loop that does not end"
    return f"it ended the process (exit code {outcome.exit_code}): {log}"


def _last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").split("\n") if path.exists() else []
    return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "it said nothing")
