"""Looks at an adapter in a process of its own, so that nothing it does can hang or end ours.

Owns that process and what its silence means; the checks are those of `environments.conformance`.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from agent.scorer import one_thread
from environments.base import InvalidEnvironment
from environments.blame import innermost
from environments.checks.base import Finding
from environments.conformance import LOADS, Level
from environments.registry import Listed, is_plug_in, listed

HANG_FRAME = re.compile(r'^  File "(.+)", line (\d+) in ', re.M)
LONGEST = 900.0


def look_at(name: str, level: Level) -> list[Finding]:
    """What the checks of that level find; an adapter that hangs or ends its process is a finding too."""
    with tempfile.TemporaryDirectory(prefix="szilard-look-") as folder:
        rows, said = Path(folder, "rows"), Path(folder, "said")
        with rows.open("w") as out, said.open("w") as err:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "agent.conformance_worker", name, level],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=one_thread(),
                start_new_session=True,
            )
            try:
                code: int | None = process.wait(LONGEST)
            except subprocess.TimeoutExpired:
                code = None
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return _read(rows.read_text(), said.read_text(errors="replace"), code, name)


def require_sound(name: str, level: Level = "vital") -> None:
    """Return if a run may rely on what is plugged in by that name; a built-in one always may.

    With "load" it is only loaded: enough for who reads its spec.

    Raises:
        InvalidEnvironment: it may not; one sentence with file and line, and what to change.
    """
    if not is_plug_in(name):
        return
    for finding in look_at(name, level):
        if finding.outcome == "failed":
            remedy = f" {finding.remedy}." if finding.remedy else ""
            raise InvalidEnvironment(f"{finding.said}.{remedy}")


def list_all() -> list[tuple[Listed, str | None]]:
    """Every environment that can be named, and why it cannot be used, if so; each is loaded by itself."""

    def fault(row: Listed) -> str | None:
        if row.clash is not None or not is_plug_in(row.name):
            return row.clash
        found = look_at(row.name, "load")[-1]
        return found.said if found.outcome == "failed" else None

    rows = listed()
    with ThreadPoolExecutor(2) as pool:
        return list(zip(rows, pool.map(fault, rows), strict=True))


def _read(rows: str, said: str, code: int | None, name: str) -> list[Finding]:
    begun: dict[str, Any] | None = None
    found = []
    for line in rows.splitlines():
        row = json.loads(line)
        if "begun" in row:
            begun = row
        else:
            begun = None
            found.append(Finding(**row))
    if begun is not None:
        found.append(_cut_off(begun, said, code, name))
    elif not found:
        found.append(_cut_off({"begun": LOADS, "limit": LONGEST}, said, code, name))
    return found


def _cut_off(begun: dict[str, Any], said: str, code: int | None, name: str) -> Finding:
    check, limit = begun["begun"], begun["limit"]
    frames = [(file, int(line)) for file, line in HANG_FRAME.findall(said.partition("Timeout (")[2])]
    if frames or code is None:
        file = Path(name).absolute() if name.endswith(".py") else None
        place = innermost(iter(frames), file) or name
        return Finding(
            check,
            "failed",
            f"{place}: it did not come back within {limit:g} s",
            "Look for a loop that cannot end, or for something that is waited for",
        )
    last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "it said nothing")
    return Finding(
        check,
        "failed",
        f"{name}: it ended the process (exit code {code}): {last[:200]}",
        "Raise an exception instead",
    )
