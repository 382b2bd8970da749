"""A run that finds something, to its end: kept, confirmed, taken apart, and opened a second time."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.end_to_end.a_short_run import SZILARD, git, run_proposing

pytestmark = pytest.mark.slow

ENVIRONMENT = str(Path(__file__).parent / "easy_domain.py")
PROPOSAL = {
    "hypothesis": "Hurrying teaches products sooner",
    "mechanism": "Eight steps at a low rate change little; four times the rate changes more.",
    "predicted_score_change": 0.2,
    "predicted_entropy": 0.3,
    "edits": [
        {"path": "recipe.py", "search": "LEARNING_RATE = 1e-3\n", "replace": "LEARNING_RATE = 4e-3\n"},
        {
            "path": "entropy_control.py",
            "content": "from controls.entropy_bonus import EntropyBonus\n"
            "from controls.group_advantage import GroupAdvantage\n"
            "from controls.last_iterate import LastIterate\n"
            "from controls.ppo_clip import PpoClip\n\n"
            "LOSS = PpoClip()\nADVANTAGE = GroupAdvantage()\nAVERAGE = LastIterate()\n"
            "TERMS = (EntropyBonus(coefficient=0.0005),)\nSAMPLING = ()\n",
        },
    ],
}


@dataclass(frozen=True)
class Found:
    run: Path
    summary: dict[str, object]


def szilard(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SZILARD, *arguments], capture_output=True, text=True, timeout=500)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    folder = tmp_path_factory.mktemp("winner")
    command = [
        *(SZILARD, "run", "Write more products", "--environment", ENVIRONMENT, "--attempts", "1"),
        *("--runs-dir", str(folder), "--name", "found", "--seeds", "5", "--workers", "2", "--json"),
    ]
    done = run_proposing(lambda _: PROPOSAL, command, 1)
    assert done.returncode == 0, done.stderr
    return Found(folder / "found", json.loads(done.stdout.splitlines()[-1]))


def test_a_gain_is_kept_and_confirmed(found: Found) -> None:
    assert (found.summary["winner"], found.summary["confirmed"]) == (1, True)
    assert git(found.run, "tag").split() == ["baseline", "confirmed"]
    assert git(found.run, "rev-parse", "main") == git(found.run, "rev-parse", "attempts/0001")
    confirmation = json.loads((found.run / "confirmation.json").read_text())
    assert confirmation["opened"] == 1
    assert confirmation["metrics"]["pass_at_16"]["change"] != 0
    low, high = confirmation["interval"]
    assert 0 < low < confirmation["change"] < high


def test_show_prints_the_evidence_of_the_verdict(found: Found) -> None:
    shown = szilard("show", str(found.run), "1").stdout
    for seed in range(1, 6):
        assert f"seed {seed}  +" in shown
    assert "one-sided p = " in shown
    assert "threshold" in shown


def test_each_change_was_left_out_once_on_seeds_of_its_own(found: Found) -> None:
    ablation = json.loads((found.run / "ablation.json").read_text())
    assert [part["label"] for part in ablation["parts"]] == ["entropy bonus 0.0005", "learning rate 4e-3"]
    roles = {part["label"]: part["role"] for part in ablation["parts"]}
    assert roles["learning rate 4e-3"] == "carried"
    assert min(ablation["seeds"]) > 7
    told = szilard("ablate", str(found.run)).stdout
    assert "without learning rate 4e-3 -" in told
    assert "(carried)" in told


def test_the_seal_is_opened_again_only_when_asked_and_every_report_says_so(found: Found) -> None:
    refused = szilard("confirm", str(found.run))
    assert refused.returncode == 2
    assert "--reopen" in refused.stderr
    first = json.loads((found.run / "confirmation.json").read_text())
    assert szilard("confirm", str(found.run), "--reopen").returncode == 0
    second = json.loads((found.run / "confirmation.json").read_text())
    assert second["opened"] == 2
    assert second["confirmed"]
    seeds = [{row["seed"] for row in record["winner"]["seeds"]} for record in (first, second)]
    assert not seeds[0] & seeds[1]
    assert "opened 2 times" in (found.run / "report.md").read_text()
