"""The entropy controls that lie in a folder, read without running them.

Owns what is told of a control by its file alone: name, kind, hyper-parameters, words. Whether it works is
tested where it can be run.
"""

from __future__ import annotations

import ast
import keyword
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from environments.base import SzilardError
from workspaces.syntax import parse

Kind = Literal["loss", "term", "advantage", "average", "sampling"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SHIPPED = Path(__file__).parent / "templates" / "controls"


MOST_BYTES = 2**20
LARGEST_VALUE = 1e300


class NotAControl(SzilardError):
    """A file that holds no entropy control; the message says what is missing."""


@dataclass(frozen=True)
class Control:
    """A control as its file describes it.

    `defaults` are the hyper-parameters with their default values, `flags` the other class variables, such
    as needs_reference; `adapted` are the hyper-parameters with which it acts on small minibatches, None
    where the published ones do. `summary` is the first line of the module's docstring.
    """

    name: str
    module: str
    kind: Kind
    defaults: Mapping[str, Any]
    flags: Mapping[str, Any]
    small_scale: Mapping[str, Any] | None
    summary: str
    documentation: str
    path: Path

    def written(self, arguments: Mapping[str, Any]) -> str:
        """The expression that makes it with these arguments."""
        return f"{self.name}({', '.join(f'{name}={value!r}' for name, value in arguments.items())})"


@dataclass(frozen=True)
class Tuning:
    """The one hyper-parameter that a run moves, and its values from weak to strong."""

    parameter: str
    grid: tuple[float, ...]


def shipped_controls() -> dict[str, Control]:
    """Every control of the templates by name, in the order of kinds and then of names."""
    return {control.name: control for control in controls_in(SHIPPED)}


def controls_in(folder: Path) -> list[Control]:
    """The controls that lie in a folder, in the order of kinds and then of names.

    Raises:
        NotAControl: a file of it means to hold one and does not.
    """
    found = [read_control(path) for path in sorted(folder.glob("*.py")) if holds_control(path)]
    return sorted(found, key=lambda control: (KINDS.index(control.kind), control.name))


def holds_control(path: Path) -> bool:
    """Whether a file means to be a control: some class of it has a `kind`."""
    try:
        return any(_assigned(node, "kind") is not None for node in _classes(_parse(_text(path), path)))
    except NotAControl:
        return False


def read_control(path: Path) -> Control:
    """Read the one control of a file.

    Raises:
        NotAControl: the file cannot be read, or holds none or several.
    """
    return parse_control(_text(path), path)


def parse_control(text: str, path: Path) -> Control:
    """The one control in a text; `path` is where it lies. Raises NotAControl: it holds none or several."""
    tree = _parse(text, path)
    found = [node for node in _classes(tree) if _assigned(node, "kind") is not None]
    if len(found) != 1:
        raise NotAControl(
            f"{path} holds {len(found)} controls: write one frozen dataclass a file, with "
            f"`kind: ClassVar[str]` one of {', '.join(KINDS)}."
        )
    node = found[0]
    kind = _literal(_assigned(node, "kind"))
    if kind not in KINDS:
        raise NotAControl(
            f"{path}, line {node.lineno}: kind is {kind!r}; it must be one of {', '.join(KINDS)}."
        )
    defaults: dict[str, Any] = {}
    flags: dict[str, Any] = {}
    for field in node.body:
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            place = flags if _is_class_variable(field.annotation) else defaults
            place[field.target.id] = _literal(field.value)
    if "kind" in defaults:
        raise NotAControl(f"{path}: `kind` is a hyper-parameter there: annotate it as `kind: ClassVar[str]`.")
    documentation = ast.get_docstring(tree) or ast.get_docstring(node) or ""
    small_scale = flags.pop("small_scale", None)
    flags.pop("kind", None)
    return Control(
        name=node.name,
        module=path.stem,
        kind=kind,
        defaults=defaults,
        flags=flags,
        small_scale=small_scale if isinstance(small_scale, dict) else None,
        summary=documentation.partition("\n")[0],
        documentation=documentation,
        path=path,
    )


def refuse_taken(control: Control) -> None:
    """Return if a control of a user's own can lie beside the shipped ones; a shipped one itself can.

    Raises:
        NotAControl: its file cannot be imported, or its name or its file's is taken.
    """
    if control.path.resolve().parent == SHIPPED.resolve():
        return
    if not control.module.isidentifier() or keyword.iskeyword(control.module):
        raise NotAControl(
            f"{control.path.name} cannot be imported: name the file like a variable, such as my_control.py."
        )
    if (SHIPPED / f"{control.module}.py").exists():
        raise NotAControl(f"{control.path}: there is a shipped {control.module}.py; name the file otherwise.")
    if control.name in shipped_controls():
        raise NotAControl(f"{control.path}: there is a shipped {control.name}; name the class otherwise.")


def tuning(control: Control) -> Tuning | None:
    """What a run moves: what `TUNED` says, else the first positive float by threes, else nothing.

    Raises:
        NotAControl: `TUNED` is no (parameter, values), or names no hyper-parameter.
    """
    if "TUNED" not in control.flags:
        for name, value in control.defaults.items():
            if isinstance(value, float) and value > 0 and math.isfinite(value):
                return Tuning(name, tuple(float(f"{value * factor:.3g}") for factor in (1 / 3, 1.0, 3.0)))
        return None
    told = control.flags["TUNED"]
    if isinstance(told, tuple | list) and len(told) == 2 and isinstance(told[1], tuple | list):
        parameter, grid = told
        if (
            isinstance(parameter, str)
            and parameter in control.defaults
            and grid
            and all(_is_positive(value) for value in grid)
        ):
            return Tuning(parameter, tuple(dict.fromkeys(float(f"{value:.6g}") for value in grid)))
    raise NotAControl(
        f"{control.path}: TUNED must name a hyper-parameter and positive values, written out: "
        'TUNED: ClassVar = ("coefficient", (0.001, 0.003, 0.01)).'
    )


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= LARGEST_VALUE


def _text(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():
            raise NotAControl(f"{path} is no file: name a Python file.")
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise NotAControl(f"{path} is larger than {MOST_BYTES} bytes: a control is a small file.")
        return content.decode("utf-8")
    except OSError as error:
        raise NotAControl(f"{path} cannot be read ({error.strerror}): name a Python file.") from error
    except UnicodeDecodeError as error:
        raise NotAControl(f"{path} is no Python: it is not written in UTF-8.") from error


def _parse(text: str, path: Path) -> ast.Module:
    try:
        return parse(text, str(path))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        told = getattr(error, "msg", None) or str(error) or "it is nested too deeply"
        raise NotAControl(f"{path}{f', line {line}' if line else ''} is no Python: {told}.") from error


def _classes(tree: ast.Module) -> list[ast.ClassDef]:
    return [node for node in tree.body if isinstance(node, ast.ClassDef)]


def _assigned(node: ast.ClassDef, name: str) -> ast.expr | None:
    """What a class variable is set to in the body of a class."""
    for field in node.body:
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and field.target.id == name
        ):
            return field.value
        if isinstance(field, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == name for target in field.targets
        ):
            return field.value
    return None


def _is_class_variable(annotation: ast.expr) -> bool:
    """Whether `ClassVar` is named in it, however it is written or quoted."""
    names = (getattr(node, field, None) for node in ast.walk(annotation) for field in ("id", "attr", "value"))
    return any(isinstance(name, str) and "ClassVar" in name for name in names)


def _literal(node: ast.expr | None) -> Any:
    """The value of a literal; None for anything that would have to be computed."""
    if node is None:
        return None
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
