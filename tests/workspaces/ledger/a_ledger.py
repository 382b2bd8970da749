"""A ledger with a baseline, and attempts in it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from workspaces.ledger import Ledger

RECIPE = "STEPS = 100\n"


def plain_git(ledger: Ledger, *arguments: str) -> str:
    command = ["git", "-C", str(ledger.path), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def make(path: Path) -> Ledger:
    source = path / "template.py"
    path.mkdir(parents=True, exist_ok=True)
    source.write_text(RECIPE)
    files = {"recipe.py": source, "controls/clip.py": source}
    return Ledger.create(path / "repository", files, message="Baseline: the tuned recipe")


def code(ledger: Ledger, number: int, text: str, parent: str = "baseline", **changes: str) -> str:
    told = {"hypothesis": f"Try number {number}", "mechanism": "Because.", "researcher": "catalogue"}
    return ledger.commit_code(
        number,
        parent,
        0,
        {"recipe.py": text},
        **{**told, **changes},
        predicted_score_change=0.1 + 0.2,
        predicted_entropy=0.31,
    )
