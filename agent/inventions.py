"""Controls that a run has invented: files of controls/ that its baseline does not have.

Owns which they are and that they pass the control check before anything is trained with them; what is tested
is said in `control_check`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from agent.control_check import ControlRefused, check_controls
from agent.own_controls import FOLDER
from environments.base import matches
from workspaces.controls import NotAControl, holds_control
from workspaces.ledger import Ledger

PATHS = (f"{FOLDER}/*.py",)
SHARED = f"{FOLDER}/batch.py"


def invented(ledger: Ledger, commit: str) -> dict[str, str]:
    """Path -> text of the files of controls/ that a commit has and the baseline has not."""
    known = ledger.blobs(ledger.tags()["baseline"])
    if SHARED not in known:
        return {}
    new = [path for path in ledger.blobs(commit) if matches(path, PATHS) and path not in known]
    texts = ledger.files(commit, PATHS) if new else {}
    return {path: texts[path] for path in sorted(new) if path in texts}


def check(ledger: Ledger, parent: str, commit: str, *, sandbox: str) -> None:
    """Test the invented controls that a commit adds to its parent, or changes, in a sandbox.

    Raises:
        NotAControl, ControlRefused: one must not be trained; the message says what to change.
        SzilardError: there is no sandbox.
    """
    before = invented(ledger, parent)
    new = {path: text for path, text in invented(ledger, commit).items() if before.get(path) != text}
    if not new:
        return
    with tempfile.TemporaryDirectory(prefix="szilard-invented-") as name:
        folder = Path(name)
        for path, text in new.items():
            (folder / Path(path).name).write_text(text)
        files = [path for path in sorted(folder.iterdir()) if holds_control(path)]
        try:
            for checked in check_controls(files, sandbox=sandbox) if files else []:
                checked.require()
        except (NotAControl, ControlRefused) as error:
            raise type(error)(str(error).replace(f"{folder}/", f"{FOLDER}/")) from error
