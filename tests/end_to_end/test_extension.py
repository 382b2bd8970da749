"""A run that had ended goes on: its alpha is not given anew, its seal is, and everything it says tells so."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from agent.measurement_keys import sealed_seed
from agent.settings import RunSettings
from environments.base import Split
from environments.registry import load
from tests.end_to_end.a_short_run import (
    SZILARD,
    git,
    launches,
    resume_command,
    run_proposing,
    trailer,
)

pytestmark = pytest.mark.slow

EASY = Path(__file__).parent / "easy_domain.py"
START = "6e-4"
BETTER, USELESS, BEST = 1, 2, 3
RATES = {BETTER: "1.2e-3", USELESS: "1e-6", BEST: "4e-3"}
ON = {BETTER: START, USELESS: RATES[BETTER], BEST: RATES[BETTER]}


def proposal(number: int) -> dict[str, object]:
    return {
        "hypothesis": f"A rate of {RATES[number]} teaches products at its own pace",
        "mechanism": "The rate says how far eight steps go.",
        "predicted_score_change": 0.2,
        "predicted_entropy": 0.3,
        "edits": [
            {
                "path": "recipe.py",
                "search": f"LEARNING_RATE = {ON[number]}\n",
                "replace": f"LEARNING_RATE = {RATES[number]}\n",
            }
        ],
    }


def szilard(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SZILARD, *arguments], capture_output=True, text=True, timeout=500)


def confirmation(run: Path, name: str = "confirmation.json") -> dict[str, Any]:
    record: dict[str, Any] = json.loads((run / name).read_text())
    return record


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("extended")
    domain = folder / "domain.py"
    domain.write_text(EASY.read_text().replace('"1e-3"', f'"{START}"'))
    command = [
        *(SZILARD, "run", "Write more products", "--environment", str(domain)),
        *("--metric", "pass@1", "--attempts", "1"),
        *("--runs-dir", str(folder), "--name", "run", "--seeds", "5", "--workers", "2", "--json"),
    ]
    done = run_proposing(proposal, command, 1)
    assert done.returncode == 0, done.stderr
    assert confirmation(folder / "run")["winner"]["attempt"] == BETTER
    return folder / "run"


@pytest.fixture(scope="module")
def extended_once(run: Path) -> Path:
    """Nothing better was kept: the first confirmation stands."""
    done = run_proposing(proposal, [*resume_command(run), "--attempts", "+1"], 1)
    assert done.returncode == 0, done.stderr
    assert trailer(run, USELESS, "Verdict") in {"reverted", "stopped-early"}
    first, now = confirmation(run, "confirmation-1.json"), confirmation(run)
    assert now == {"stands": "confirmation-1.json", **first}
    assert git(run, "tag").split() == ["baseline", "confirmed"]
    assert szilard("fsck", str(run)).returncode == 0
    assert "no further seal was broken" in (run / "report.md").read_text()
    return run


@pytest.fixture(scope="module")
def extended_twice(extended_once: Path) -> Path:
    """A better one was kept, and had to be confirmed on tasks of its own."""
    done = run_proposing(proposal, [*resume_command(extended_once), "--attempts", "3"], 1)
    assert done.returncode == 0, done.stderr
    return extended_once


def test_the_next_end_confirms_on_tasks_and_seeds_that_no_earlier_one_has_touched(
    extended_twice: Path,
) -> None:
    first, second = (
        confirmation(extended_twice, name) for name in ("confirmation-1.json", "confirmation.json")
    )
    assert (first["winner"]["attempt"], second["winner"]["attempt"]) == (BETTER, BEST)
    assert (first["seal"], second["seal"], second["opened"]) == (1, 2, 1)
    seeds = [{row["seed"] for row in record["winner"]["seeds"]} for record in (first, second)]
    assert not seeds[0] & seeds[1]
    settings = RunSettings.read(extended_twice)
    domain = load(settings.environment)
    fresh = sealed_seed(settings.secret)
    once = {task.prompt for task in domain.tasks(Split.CONFIRMATION, settings.opened[0], domain.scored_tasks)}
    again = {task.prompt for task in domain.resealed(settings.opened, fresh)._sealed[1]}
    assert len(once) == len(again) == domain.scored_tasks
    assert not once & again
    splits = {
        json.loads(path.read_text())["key"]["split"]
        for path in (extended_twice / "measurements").glob("*.json")
    }
    assert {"confirmation", "confirmation, seal 2"} <= splits


def test_the_evidence_moves_on_to_seeds_on_which_nothing_was_chosen(extended_twice: Path) -> None:
    ablated = set(range(8, 14))
    raced = {int(seed) for seed in trailer(extended_twice, BEST, "Seeds").split(",")} - {0}
    assert min(raced) > max(ablated)


def test_alpha_of_all_stretches_together_is_that_of_the_run(extended_twice: Path) -> None:
    spent = [float(trailer(extended_twice, number, "Alpha-Spent")) for number in (BETTER, BEST)]
    assert spent == pytest.approx([0.045, 0.09])
    assert [trailer(extended_twice, number, "Stretch") for number in (BETTER, USELESS, BEST)] == [
        "",
        "2",
        "3",
    ]


def test_everything_that_a_run_says_tells_that_it_was_extended_and_what_was_known(
    extended_twice: Path,
) -> None:
    report = (extended_twice / "report.md").read_text()
    assert "## Extended 2 times after it had ended" in report
    assert "confirmation-1.json" in report
    assert "of seal 2" in report
    for verb in ("status", "log"):
        told = szilard(verb, str(extended_twice)).stdout
        assert "2 times (after attempt 1, when it was known: attempt 1 confirmed" in told
        assert "still at most 0.1 over all attempts together" in told
    assert "stretch, after a first result" in szilard("show", str(extended_twice), str(BEST)).stdout
    data = json.loads(szilard("status", str(extended_twice), "--json").stdout)
    assert [one["after"] for one in data["extensions"]] == [1, 2]
    assert data["attempts"]["asked"] == 3


def test_both_confirmations_are_on_record_and_the_run_agrees_with_itself(extended_twice: Path) -> None:
    assert git(extended_twice, "tag").split() == ["baseline", "confirmed", "confirmed-2"]
    assert git(extended_twice, "rev-parse", "confirmed^{commit}") == git(
        extended_twice, "rev-parse", "attempts/0001"
    )
    kept = git(extended_twice, "ls-tree", "--name-only", "refs/szilard/evidence").split()
    assert {"confirmation.json", "confirmation-1.json", "confirmation-2.json"} <= set(kept)
    assert szilard("fsck", str(extended_twice)).returncode == 0
    assert set(launches(extended_twice).values()) == {1}


def test_no_secret_is_shown_and_an_ended_run_stays_ended(extended_twice: Path) -> None:
    settings = RunSettings.read(extended_twice)
    for path in extended_twice.rglob("*"):
        if path.is_file() and path.name != "run.json" and ".git" not in path.parts:
            assert settings.secret.encode() not in path.read_bytes(), path
    before = launches(extended_twice)
    assert run_proposing(proposal, resume_command(extended_twice), 0).returncode == 0
    assert launches(extended_twice) == before


def test_a_cleaned_run_goes_on_and_the_seal_can_be_opened_again(extended_twice: Path) -> None:
    assert szilard("clean", str(extended_twice), "--logs").returncode == 0
    done = szilard("confirm", str(extended_twice), "--reopen")
    assert done.returncode == 0, done.stderr
    assert (confirmation(extended_twice)["seal"], confirmation(extended_twice)["opened"]) == (2, 2)
    assert szilard("fsck", str(extended_twice)).returncode == 0
