"""Controls that a user brings to a run: checked first, kept in the run's folder, part of the baseline's tree.

Owns where they lie and when they are refused. What is tested is said in `control_check`.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from agent.control_check import Checked, ControlRefused, check_controls
from agent.settings import RunSettings
from environments.base import Environment, matches
from workspaces.controls import Kind, read_control, refuse_taken, tuning

FOLDER = "controls"
PLACES: Mapping[Kind, str] = {
    "loss": "LOSS",
    "term": "TERMS",
    "advantage": "ADVANTAGE",
    "average": "AVERAGE",
    "sampling": "SAMPLING",
}


def names_of(paths: Sequence[Path], environment: Environment) -> tuple[str, ...]:
    """The modules that these files become in the template of a domain; nothing of them is run.

    Raises:
        NotAControl: a file holds none, or its name is taken.
        ControlRefused: the domain's template has no place for it, or two files are called alike.
    """
    template = environment.workspace_template()
    found: dict[str, str] = {}
    for path in paths:
        control = read_control(path)
        refuse_taken(control)
        tuning(control)
        inside = f"{FOLDER}/{control.module}.py"
        spec = environment.spec
        if f"{FOLDER}/batch.py" not in template or not matches(inside, spec.editable):
            raise ControlRefused(f"{path}: {spec.name}'s template takes no controls: leave --control away.")
        if not _has_place(template, control.kind):
            raise ControlRefused(
                f"{path}: {spec.name}'s entropy_control.py has no place for a {control.kind}."
            )
        if inside in template:
            raise ControlRefused(f"{path}: {spec.name} has a {inside} already; name the file otherwise.")
        if control.module in found or control.name in found.values():
            raise ControlRefused(f"{path}: two of your controls are called alike; name one otherwise.")
        found[control.module] = control.name
    return tuple(found)


def _has_place(template: Mapping[str, Path], kind: Kind) -> bool:
    """Whether the template's entropy_control.py names a control of this kind; true where there is none."""
    file = template.get("entropy_control.py")
    return file is None or re.search(rf"^{PLACES[kind]}\b.*=", file.read_text(), re.M) is not None


def check(paths: Sequence[Path], sandbox: str) -> list[Checked]:
    """Test each of these files in a sandbox of its own.

    Raises:
        SzilardError: one of them must not be trained; the message says what to change.
    """
    checked = []
    for path in paths:
        (found,) = check_controls([path], sandbox=sandbox)
        found.require()
        checked.append(found)
    return checked


def keep(paths: Sequence[Path], directory: Path) -> None:
    """Copy the files into a run's folder, so that the run hangs on no other."""
    if paths:
        (directory / FOLDER).mkdir()
    for path in paths:
        shutil.copyfile(path, directory / FOLDER / path.name)


def files_of(directory: Path, settings: RunSettings) -> Mapping[str, Path]:
    """What the controls of a run add to the template: path inside -> file."""
    return {f"{FOLDER}/{name}.py": directory / FOLDER / f"{name}.py" for name in settings.controls}
