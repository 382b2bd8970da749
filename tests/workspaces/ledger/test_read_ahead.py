"""Code of many attempts read at once is the code that each of them has."""

from __future__ import annotations

from pathlib import Path

import pytest

from workspaces.git_command import GitCommand
from workspaces.ledger import Ledger

GLOBS = ("recipe.py", "controls/*.py", "deep/**")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    files = {}
    for name in ("recipe.py", "controls/a.py", "controls/b.py", "deep/er/ü.txt", "train.py"):
        files[name] = tmp_path / name.replace("/", "-")
        files[name].write_text(f"{name}\n")
    ledger = Ledger.create(tmp_path / "repository", files, message="Baseline")
    for number in range(1, 6):
        ledger.commit_code(
            number,
            ledger.tags()["baseline"],
            0,
            {"recipe.py": f"A = {number}\n", f"controls/new_{number}.py": "B = 1\n"},
            hypothesis="Another number helps",
            mechanism="It does.",
            researcher="catalogue",
            predicted_score_change=0.1,
            predicted_entropy=0.3,
        )
    return ledger


def test_code_read_ahead_is_the_code_and_costs_a_few_processes(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh, ahead = Ledger.open(ledger.path), Ledger.open(ledger.path)
    records = ahead.attempts()
    asked = {r.number: fresh.files(r.code_commit or "", GLOBS) for r in fresh.attempts()}
    calls: list[str] = []
    run = GitCommand.run

    def counted(self: GitCommand, *arguments: str, **others: object) -> bytes:
        calls.append(arguments[0])
        return run(self, *arguments, **others)  # type: ignore[arg-type]

    monkeypatch.setattr(GitCommand, "run", counted)
    ahead.read_ahead(records, GLOBS)
    assert {r.number: ahead.files(r.code_commit or "", GLOBS) for r in records} == asked
    assert asked[3]["recipe.py"] == "A = 3\n"
    assert asked[3].keys() == {
        "recipe.py",
        "controls/a.py",
        "controls/b.py",
        "controls/new_3.py",
        "deep/er/ü.txt",
    }
    assert calls == ["cat-file"] * 4
    ahead.read_ahead(records, GLOBS)
    assert len(calls) == 4
