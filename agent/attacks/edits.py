"""Attacks by the paths of a proposal: out of the work tree, and onto files that no attempt may change.

Owns these attacks; "undefended" writes where the path says, as the popular loops do.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from workspaces.edits import Edit, EditError, apply_edits
from workspaces.review.attacks_table import EVERYWHERE, Attacked, seen

EDITABLE, PROTECTED = ("*.py", "controls/*.py"), ("session.py",)
PATHS = {
    "edit a protected file": "session.py",
    "edit a protected file in other letters": "Session.PY",
    "edit a protected file by letters that look alike": "ｓession.py",
    "edit a protected file by a way round": "controls/../session.py",
    "edit a file above the work tree": "../above.py",
    "edit a file of the host": "{folder}/host.py",
    "edit a hook of git": ".git/hooks/post-commit.py",
    "edit a file in other letters of .git": ".GIT/config.py",
    "edit a file whose name is an option": "--upload-pack=touch.py",
}


def attack() -> Iterator[Attacked]:
    """Every attack of this room: refused before anything is written."""
    for name, path in PATHS.items():
        with tempfile.TemporaryDirectory(prefix="szilard-attack-") as folder:
            tree = Path(folder, "tree")
            tree.mkdir()
            proposed = Edit(path=path.format(folder=folder), content="mine = True\n")
            try:
                apply_edits(
                    {"session.py": "", "recipe.py": ""}, [proposed], editable=EDITABLE, protected=PROTECTED
                )
                blocked, said = False, "applied"
            except EditError as error:
                blocked, said = True, str(error).replace(folder, "")
            (tree / proposed.path).parent.mkdir(parents=True, exist_ok=True)
            (tree / proposed.path).write_text(proposed.content or "")
            written = any(path.is_file() for path in Path(folder).rglob("*"))
        yield Attacked(name, "edits", EVERYWHERE, blocked, said, seen(written))
