"""Pre-training through the installed command, with no key: run to its end and read off the ledger."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.a_short_run import finish, git, run_command

QUICK = '''
"""Pre-training for a blink: the built-in domain with a hundredth of its budget."""

from dataclasses import replace

from environments.language_model.environment import LanguageModel


class QuickPretraining(LanguageModel):
    spec = replace(
        LanguageModel.spec, name="quick_pretraining", budget={"tokens": 6 * 1024, "updates": 6}, seeds=2
    )
    scored_tasks = 16

    def frontier(self, winner=None):
        return ()
'''


@pytest.mark.slow
def test_the_catalogue_researches_pre_training_to_its_end(tmp_path: Path) -> None:
    environment = tmp_path / "quick_pretraining.py"
    environment.write_text(QUICK)
    command = run_command(tmp_path / "runs", "short", attempts=2, workers=2, environment=str(environment))
    summary = finish([*command, "--force"])
    run = tmp_path / "runs" / "short"
    assert summary["attempts"] == 2
    for attempt in ("attempts/0001", "attempts/0002"):
        changed = git(run, "diff", "--name-only", "baseline", attempt).split()
        assert changed
        assert set(changed) <= {"train.py", "entropy_control.py"}
    verdicts = git(run, "log", "--all", "--format=%(trailers:key=Verdict,valueonly)").split()
    assert not {"refused", "crashed"} & set(verdicts)
