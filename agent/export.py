"""A kept invention, taken out of its run: the control, a test, and a page with what was measured of it.

Owns which controls those are and the files that are written; the words of the page are in
`workspaces.review.control_page`.
"""

from __future__ import annotations

from pathlib import Path

from agent.inventions import invented
from agent.opening import REPOSITORY
from agent.own_controls import FOLDER
from environments.base import SzilardError
from workspaces.attempts import AttemptRecord
from workspaces.controls import Control, NotAControl, parse_control
from workspaces.ledger import Ledger
from workspaces.review.control_page import control_page
from workspaces.review.record import RunRecord

TEST = '''\
"""{name} passes the checks that a control must pass before it is trained."""

from pathlib import Path

from agent.control_check import check_controls


def test_{module}_passes_the_checks_of_a_control() -> None:
    (checked,) = check_controls([Path(__file__).with_name("{module}.py")])
    checked.require()
'''


class NothingToExport(SzilardError):
    """A run that has kept no control of its own, or a folder that cannot take it."""


def export_controls(run: RunRecord, folder: Path) -> list[Path]:
    """Write each control that the run invented and its incumbent uses, with its evidence, into `folder`.

    Raises:
        NothingToExport: there is none, or a file of that name is there already.
    """
    ledger = Ledger.open(run.directory / REPOSITORY)
    controls = _in_force(ledger)
    if not controls:
        raise NothingToExport(
            f"{run.directory} has kept no control of its own making: `szilard diff {run.directory} 0 "
            f"{run.incumbent}` shows what its incumbent is made of."
        )
    texts: dict[Path, str] = {}
    for control, text in controls:
        attempt = _author(run, ledger, f"{FOLDER}/{control.module}.py")
        used = ledger.diff(_parent(run, ledger, attempt), attempt.code_commit or "")
        texts[folder / f"{control.module}.py"] = text
        texts[folder / f"test_{control.module}.py"] = TEST.format(name=control.name, module=control.module)
        texts[folder / f"{control.module}.md"] = control_page(run, attempt, control, used)
    _write(folder, texts)
    return list(texts)


def _parent(run: RunRecord, ledger: Ledger, attempt: AttemptRecord) -> str:
    """The commit that an attempt was made on."""
    if attempt.parent == 0:
        return ledger.tags()["baseline"]
    return run.attempt(attempt.parent).code_commit or ledger.tags()["baseline"]


def _in_force(ledger: Ledger) -> list[tuple[Control, str]]:
    """The invented controls that the incumbent's other files name, with their texts."""
    commit = ledger.incumbent()
    others = [text for path, text in ledger.files(commit).items() if not path.startswith(f"{FOLDER}/")]
    found = []
    for path, text in invented(ledger, commit).items():
        if any(f"{FOLDER}.{Path(path).stem}" in other for other in others):
            try:
                found.append((parse_control(text, Path(path)), text))
            except NotAControl:
                continue
    return found


def _author(run: RunRecord, ledger: Ledger, path: str) -> AttemptRecord:
    """The kept attempt that brought a file of the incumbent to what it is."""
    attempt = run.attempt(run.incumbent)
    wanted = ledger.blobs(ledger.incumbent())[path]
    while attempt.parent:
        parent = run.attempt(attempt.parent)
        if ledger.blobs(parent.code_commit or "").get(path) != wanted:
            break
        attempt = parent
    return attempt


def _write(folder: Path, texts: dict[Path, str]) -> None:
    there = [path for path in texts if path.exists()]
    if there:
        raise NothingToExport(f"{there[0]} exists already: name another folder.")
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        temporary = path.with_name(path.name + ".tmp")
        temporary.write_text(text)
        temporary.replace(path)
