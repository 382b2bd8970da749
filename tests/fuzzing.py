"""How readers of foreign data are fuzzed: 200 inputs each in the fast tests, `SZILARD_FUZZ=10000` on demand.

An input may raise what its reader promises to raise, take at most ten seconds, and have nothing written out
of a folder, no process started and no connection made.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

INPUTS = int(os.environ.get("SZILARD_FUZZ", "200"))
fuzzed = settings(
    max_examples=INPUTS,
    deadline=timedelta(seconds=10),
    derandomize="SZILARD_FUZZ" not in os.environ,
    suppress_health_check=list(HealthCheck),
)

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_PATHS = (
    "os.rename",
    "os.remove",
    "os.mkdir",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.chmod",
    "os.truncate",
)
_NEVER = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "socket.connect")
_watching: list[Path] = []
_seen: list[str] = []


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watching:
        return
    if event in _NEVER:
        _seen.append(f"{event} {arguments}")
    elif (event == "open" and arguments[2] & _WRITING) or event in _PATHS:
        paths = [
            one
            for one in arguments[: 2 if event in ("os.rename", "os.link") else 1]
            if isinstance(one, str | bytes)
        ]
        for path in paths:
            if not Path(os.path.realpath(os.fsdecode(path))).is_relative_to(_watching[0]):
                _seen.append(f"{event} {path!r}")


sys.addaudithook(_watch)


@contextmanager
def nothing_outside(folder: Path) -> Iterator[None]:
    """Fails where anything is written outside `folder`, started or connected to; not seen is native code."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    _watching.append(folder.resolve())
    try:
        yield
    finally:
        _watching.pop()
        sys.dont_write_bytecode = before
        seen, _seen[:] = list(_seen), []
    assert not seen, seen


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from([0, -1, 2**63, 10**400, 1e308, "", "\x00", "../x", "-x", "NaN", "\ud800"])
    | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def spoilt(draw: st.DrawFn, record: dict[str, Any]) -> dict[str, Any]:
    """A record with some fields replaced, left out, added or, one level deeper, spoilt again."""
    changed = dict(record)
    for name in draw(st.lists(st.sampled_from(sorted(record)), max_size=3, unique=True)):
        match draw(st.sampled_from(["replace", "drop", "deeper"])):
            case "drop":
                del changed[name]
            case "deeper" if isinstance(record[name], dict) and record[name]:
                changed[name] = draw(spoilt(record[name]))
            case _:
                changed[name] = draw(json_values)
    if draw(st.integers(0, 4)) == 0:
        changed[draw(st.text(max_size=10))] = draw(json_values)
    return changed


@st.composite
def mangled(draw: st.DrawFn, text: str) -> str:
    """A text with some stretches cut out, doubled, or replaced by anything."""
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 40)))
        middle = draw(
            st.just("")
            | st.just(text[start:end] * 2)
            | st.text(max_size=20)
            | st.sampled_from(
                ["(" * 300, "[{" * 2000, "-" * 5000, '"', "\\", "\x00", "```", "}", "\ud83d", "x.y" * 3000]
            )
        )
        text = text[:start] + middle + text[end:]
    return text


def mangled_bytes(data: bytes) -> st.SearchStrategy[bytes]:
    """The same for bytes."""
    return mangled(data.decode("latin-1")).map(lambda text: text.encode("latin-1", "replace"))


def spoilt_json(record: dict[str, Any]) -> st.SearchStrategy[bytes]:
    """A file of JSON that was to hold the record, and may hold anything."""
    return (
        spoilt(record).map(lambda changed: json.dumps(changed).encode())
        | mangled_bytes(json.dumps(record).encode())
        | json_values.map(lambda value: json.dumps(value).encode())
        | st.binary(max_size=40)
    )
