"""A coordinator killed at any moment goes on as if nothing had been: nothing lost or doubled, all agreed.

SZILARD_CRASHES=200 makes 200 crash points of the 20, SZILARD_CRASH_SEED others of them. Most are right before
a write of state, counted through the run; every fifth is at a moment of the clock; every third run is killed
again as it resumes, and every fourth has a winner to be confirmed.
"""

from __future__ import annotations

import os
import random
import re
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent import fsck
from tests.end_to_end.a_crashing_coordinator import begin
from tests.end_to_end.a_short_run import launches, processes_of, story

pytestmark = pytest.mark.slow
CRASHES = int(os.environ.get("SZILARD_CRASHES", "20"))
SEED = os.environ.get("SZILARD_CRASH_SEED", "")
ENVIRONMENT = str(Path(__file__).parent / "instant_domain.py")
KILLED = -9


@dataclass(frozen=True)
class Course:
    """A run that is made again and again: on `luck` nothing is kept, on `solved` a winner is confirmed."""

    metric: str
    attempts: int
    workers: int

    def begin(self, run: Path) -> list[str]:
        return [
            *("run", "Solve more", "--environment", ENVIRONMENT, "--runs-dir", str(run.parent)),
            *("--name", run.name, "--metric", self.metric, "--attempts", str(self.attempts), "--seeds", "2"),
            *("--workers", str(self.workers), "--sandbox", "none", "--json"),
        ]


NOTHING_KEPT, CONFIRMED = COURSES = Course("luck", 3, 2), Course("solved", 1, 1)


@dataclass(frozen=True)
class Undisturbed:
    """How a course goes when nobody kills it; `writes` of state, in `seconds`."""

    run: Path
    writes: int
    seconds: float


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def undisturbed(runs: Path) -> dict[Course, Undisturbed]:
    found = {}
    for course in COURSES:
        run = runs / f"undisturbed-{course.metric}"
        began = time.monotonic()
        told = ended(run, course.begin(run))
        writes = re.findall(r"^writes (\d+)$", told, re.M)
        found[course] = Undisturbed(run, int(writes[-1]), time.monotonic() - began)
    return found


def side(run: Path, kind: str) -> Path:
    """A file beside the run: what its coordinators said, or which trainings came to their end."""
    return run.with_name(f"{run.name}.{kind}")


def ended(run: Path, arguments: list[str]) -> str:
    """What a coordinator said that came to its end."""
    process = begin(arguments, side(run, "log"), side(run, "tally"))
    process.join(300)
    told = side(run, "log").read_text()
    assert process.exitcode == 0, told[-3000:]
    return told


def crashed(run: Path, arguments: list[str], rng: random.Random, whole: Undisturbed, *, timed: bool) -> bool:
    """Whether a coordinator was killed before its end."""
    kill_at = None if timed else rng.randint(1, whole.writes)
    process = begin(arguments, side(run, "log"), side(run, "tally"), kill_at)
    process.join(rng.uniform(0.1, whole.seconds) if timed else 300)
    process.kill()
    process.join()
    assert process.exitcode in (0, KILLED), side(run, "log").read_text()[-3000:]
    return process.exitcode == KILLED


def finished_twice(run: Path) -> int:
    """Trainings that came to their end although the same one had, by the trainings themselves."""
    counted = Counter(side(run, "tally").read_text().splitlines())
    return sum(counted.values()) - len(counted)


def faults(run: Path) -> list[str]:
    """What `szilard fsck` finds."""
    return [fault.what for finding in fsck.check(run) for fault in finding.faults]


@pytest.mark.parametrize("point", range(CRASHES))
def test_a_run_killed_anywhere_goes_on_as_if_nothing_had_been(
    point: int, runs: Path, undisturbed: dict[Course, Undisturbed]
) -> None:
    rng = random.Random(f"crash {point} {SEED}")
    course = CONFIRMED if point % 4 == 3 else NOTHING_KEPT
    whole, run = undisturbed[course], runs / f"crashed-{point}"
    kills = 0
    for _ in range(2 if point % 3 == 2 else 1):
        arguments = ["resume", str(run), "--json"] if (run / "run.json").exists() else course.begin(run)
        kills += crashed(run, arguments, rng, whole, timed=point % 5 == 4)
        if (run / "run.json").exists():
            assert faults(run) == []
    arguments = ["resume", str(run), "--json"] if (run / "run.json").exists() else course.begin(run)
    ended(run, arguments)
    assert faults(run) == []
    assert story(run) == story(whole.run)
    counted = launches(run)
    assert counted.keys() == launches(whole.run).keys()
    assert sum(counted.values()) - len(counted) <= kills * course.workers
    assert finished_twice(run) <= kills * course.workers
    assert processes_of(run) == []
    assert [path.name for path in run.rglob("*.tmp")] == []
