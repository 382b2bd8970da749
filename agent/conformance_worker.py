"""A process that looks at an adapter: rows of JSON on stdout, {"begun": check} before each, then its finding.

It ends itself where a check takes longer than it may, and writes to stderr on which line it was then.
SZILARD_CHECK_SECONDS allows each of them less.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import cast

from environments.conformance import Level, findings
from workspaces.sandbox.visible import interpreter_folders

LIMIT_VARIABLE = "SZILARD_CHECK_SECONDS"


def main() -> None:
    rows = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    most = float(os.environ.get(LIMIT_VARIABLE, "inf"))

    def begin(check: str, seconds: float) -> None:
        seconds = min(seconds, most)
        rows.write(json.dumps({"begun": check, "limit": seconds}) + "\n")
        faulthandler.dump_traceback_later(seconds, exit=True)

    name, level = sys.argv[1], cast(Level, sys.argv[2])
    for finding in findings(name, level, shown=_shown, begin=begin):
        faulthandler.cancel_dump_traceback_later()
        rows.write(json.dumps(asdict(finding)) + "\n")
    rows.flush()
    os._exit(0)


def _shown(file: Path) -> bool:
    """Whether a file lies where every sandbox lets Python look for packages."""
    return any(file.resolve().is_relative_to(f.resolve()) for f in (Path("/usr"), *interpreter_folders()))


if __name__ == "__main__":
    main()
