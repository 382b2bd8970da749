"""Two workers and a model that takes its time: what a run does hangs on its seed, and is asked for once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.end_to_end.a_short_run import SZILARD, launches, run_command, run_proposing, story

DOMAIN = str(Path(__file__).parent / "instant_domain.py")
ATTEMPTS = 8

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


class Slow:
    """Thinks for up to a second, and has another idea for every attempt."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self.asked = Counter[int]()

    def __call__(self, number: int) -> dict[str, object]:
        self.asked[number] += 1
        time.sleep(self._rng.random())
        return {
            "hypothesis": f"Note {number} in the margin does nothing",
            "mechanism": "None.",
            "predicted_score_change": 0.0,
            "predicted_entropy": 0.3,
            "edits": [{"path": "entropy_control.py", "content": f"NOTE = {number}\n"}],
        }


def command(runs: Path, name: str) -> list[str]:
    return run_command(runs, name, attempts=ATTEMPTS, workers=2, environment=DOMAIN)


def test_two_workers_with_a_slow_model_do_the_same_again(tmp_path: Path) -> None:
    for seed, name in enumerate(("first", "again")):
        model = Slow(seed)
        done = run_proposing(model, command(tmp_path, name), 3 * ATTEMPTS)
        assert done.returncode == 0, done.stderr
        assert set(launches(tmp_path / name).values()) == {1}
        assert model.asked == dict.fromkeys(range(1, ATTEMPTS + 1), 1)
    assert story(tmp_path / "first") == story(tmp_path / "again")


def test_a_killed_run_asks_no_more_than_what_was_in_flight_again(tmp_path: Path) -> None:
    model, run = Slow(2), tmp_path / "killed"
    killed: list[int] = []

    def kill_at_the_fifth(number: int) -> dict[str, object]:
        if number == 5 and not killed:
            killed.append(number)
            (process,) = subprocess.run(
                ["pgrep", "-f", f"{run.parent}.*--name {run.name}"],
                capture_output=True,
                text=True,
                check=True,
            ).stdout.split()[:1]
            os.kill(int(process), signal.SIGKILL)
            time.sleep(0.5)
        return model(number)

    first = run_proposing(kill_at_the_fifth, command(tmp_path, run.name), 3 * ATTEMPTS)
    assert first.returncode == -signal.SIGKILL
    second = run_proposing(model, [SZILARD, "resume", str(run), "--json"], 3 * ATTEMPTS)
    assert second.returncode == 0, second.stderr
    together = (5, 6)  # the two proposals of a round are asked for at once
    assert {number for number, count in model.asked.items() if count > 1} <= set(together), model.asked
    assert max(model.asked.values()) <= 2, model.asked
    assert model.asked.keys() == set(range(1, ATTEMPTS + 1))
    counted = launches(run)
    assert sum(counted.values()) - len(counted) <= 2, "no more than what was in flight is trained again"
    agreed = subprocess.run([SZILARD, "fsck", str(run)], capture_output=True, text=True)
    assert agreed.returncode == 0, agreed.stdout
