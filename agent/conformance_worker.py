"""A process that looks at an adapter: rows of JSON on stdout, {"begun": check} before each, then its finding.

It ends itself where a check takes longer than it may, and writes to stderr on which line it was then.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
from dataclasses import asdict
from typing import cast

from environments.conformance import Level, findings
from workspaces.edits import matches


def main() -> None:
    rows = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def begin(check: str, seconds: float) -> None:
        rows.write(json.dumps({"begun": check, "limit": seconds}) + "\n")
        faulthandler.dump_traceback_later(seconds, exit=True)

    name, level = sys.argv[1], cast(Level, sys.argv[2])
    for finding in findings(name, level, matches=matches, begin=begin):
        faulthandler.cancel_dump_traceback_later()
        rows.write(json.dumps(asdict(finding)) + "\n")
    rows.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
