"""A real run foresees what does not pay: it stops it, says so, and now and then checks if it was right."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from agent.forecast import AUDITED
from tests.end_to_end.a_short_run import (
    ENVIRONMENT,
    SZILARD,
    finish,
    git,
    run_command,
    run_proposing,
    trailer,
)

pytestmark = pytest.mark.slow

HARMLESS, HOPELESS = AUDITED - 2, AUDITED - 1
ATTEMPTS = AUDITED
START = "    policy = session.starting_policy()\n"
RATE = "LEARNING_RATE = 6e-4\n"

OWN_SCORE = """
    def score(self, policy, split, seed):
        from environments.base import Score

        return Score("right", {"right": super().score(policy, split, seed).metrics["pass_at_1"]})
"""


def proposal(number: int) -> dict[str, object]:
    edit = {"search": START, "replace": f"{START}    torch.rand({number}, device=session.device)\n"}
    if number > HARMLESS:
        edit = {"search": RATE, "replace": f"LEARNING_RATE = {number}e-2\n"}
    return {
        "hypothesis": f"Edit {number} is foreseen",
        "mechanism": "It is there to be foreseen.",
        "predicted_score_change": 0.0,
        "predicted_entropy": 0.5,
        "edits": [{"path": "recipe.py", **edit}],
    }


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("foreseen")
    done = run_proposing(proposal, run_command(runs, "run", attempts=ATTEMPTS), ATTEMPTS)
    assert done.returncode == 0, done.stderr
    return runs / "run"


def test_a_hopeless_attempt_is_stopped_once_enough_was_seen(ended: Path) -> None:
    assert trailer(ended, HOPELESS, "Verdict") == "stopped-early"
    assert "no gain in sight" in trailer(ended, HOPELESS, "Reason")
    assert float(trailer(ended, HOPELESS, "Forecast").split()[0]) < -0.05
    assert trailer(ended, HOPELESS, "Score") == ""
    assert trailer(ended, HOPELESS, "Forecast-Calibration").startswith("would have stopped 0 of ")


def test_harmless_ones_and_every_tenth_are_trained_to_their_end(ended: Path) -> None:
    verdicts = {number: trailer(ended, number, "Verdict") for number in range(1, ATTEMPTS + 1)}
    assert [number for number, verdict in verdicts.items() if verdict == "stopped-early"] == [HOPELESS]
    assert float(trailer(ended, AUDITED, "Score-Change")) < -0.05
    assert trailer(ended, AUDITED, "Snapshot-Changes")


def test_what_was_foreseen_is_shown_and_its_evidence_kept(ended: Path) -> None:
    shown = subprocess.run(
        [SZILARD, "show", str(ended), str(HOPELESS)], capture_output=True, text=True, check=True
    )
    assert "stopped-early" in shown.stdout
    assert "foreseen, of the screening seed" in shown.stdout
    kept = git(ended, "ls-tree", "-r", "--name-only", "refs/szilard/evidence").split()
    snapshots = [
        path.name
        for path in (ended / "measurements").glob("*.json")
        if "updates" in json.loads(path.read_text())["key"]["split"]
    ]
    assert snapshots
    assert {f"measurements/{name}" for name in snapshots} <= set(kept)


def test_no_policy_of_a_stopped_attempt_is_left_behind(ended: Path) -> None:
    folder = ended / "attempts" / f"{HOPELESS:04d}"
    assert list(folder.rglob("model.safetensors")) == []


def test_a_domain_whose_snapshots_say_nothing_of_its_metric_is_researched_without(tmp_path: Path) -> None:
    domain = tmp_path / "own_metric.py"
    quick = Path(ENVIRONMENT).read_text().replace('metric="pass_at_1"', 'metric="right", metrics=("right",)')
    domain.write_text(quick + OWN_SCORE)
    finish(run_command(tmp_path, "run", attempts=1, environment=str(domain)))
    assert trailer(tmp_path / "run", 1, "Verdict") in {"kept", "reverted", "inconclusive"}
    assert trailer(tmp_path / "run", 1, "Snapshot-Changes") == ""
