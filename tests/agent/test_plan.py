"""What a plan understands, refuses and promises before anything is written."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from agent.announcement import describe
from agent.settings import InvalidOption, RunSettings
from tests.agent.a_plan import planned


@pytest.mark.parametrize(
    "folder",
    [
        "/usr",
        "/usr/local/runs",
        "/bin/runs",
        "/lib/runs",
        "/opt/../usr/runs",
        f"{sys.prefix}/runs",
        f"{sys.base_prefix}/runs",
    ],
)
def test_runs_that_code_under_research_could_read_are_refused(folder: str) -> None:
    with pytest.raises(InvalidOption, match="choose another --runs-dir"):
        planned(Path(folder))


def test_a_link_to_where_code_under_research_can_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "runs").symlink_to("/usr/local")
    with pytest.raises(InvalidOption, match="choose another --runs-dir"):
        planned(tmp_path / "runs" / "mine")


def test_a_folder_whose_name_only_begins_alike_is_fine(tmp_path: Path) -> None:
    for folder in (Path("/usrlocal/runs"), Path(f"{sys.prefix}-runs"), tmp_path / "usr"):
        assert planned(folder).name == "a-run"
    assert list(tmp_path.iterdir()) == []


def test_a_metric_may_be_written_as_people_write_it(tmp_path: Path) -> None:
    settings = planned(tmp_path, metric="pass@16", guards={"pass@1": 0.03})
    assert settings.metric == "pass_at_16"
    assert [(guard.metric, guard.tolerance) for guard in settings.guards] == [("pass_at_1", 0.03)]
    with pytest.raises(InvalidOption, match=r"It has: mean_pass_at_k, pass_at_1, .*pass@1 means pass_at_1"):
        planned(tmp_path, metric="pass@3")
    with pytest.raises(InvalidOption, match="guard pass_at_1 is given twice"):
        planned(tmp_path, guards={"pass@1": 0.02, "pass_at_1": 0.03})


def cost(settings: RunSettings) -> str:
    return describe(settings)[-1]


def test_the_cost_never_exceeds_the_minutes_and_says_what_fits_into_them(tmp_path: Path) -> None:
    free = cost(planned(tmp_path, attempts=30, seeds=12))
    assert re.fullmatch(r"Cost: about \d+ trainings, \d+ minutes", free)
    assert cost(planned(tmp_path, attempts=30, seeds=12, minutes=500)) == free
    whole = free.removeprefix("Cost: about ")
    capped = cost(planned(tmp_path, attempts=30, seeds=12, minutes=25))
    assert re.fullmatch(
        rf"Cost: 25 minutes, which hold about \d+ of the 30 attempts \(all of them: about {whole}\)", capped
    )
    tight = cost(planned(tmp_path, attempts=30, seeds=12, minutes=1))
    assert tight.startswith(
        "Cost: 1 minute may be too short for any attempt: baseline, one race and confirmation alone"
    )


def test_the_cost_says_what_fits_into_the_training_seconds(tmp_path: Path) -> None:
    scarce = cost(planned(tmp_path, attempts=30, seeds=12, training_seconds=1))
    assert scarce.startswith("Cost: 1 second of training may be too short for any attempt")
    capped = cost(planned(tmp_path, attempts=30, seeds=12, training_seconds=1500, minutes=500))
    assert capped.startswith("Cost: 1500 seconds of training, which hold about ")
    assert "Cost: 1 minute " in cost(planned(tmp_path, attempts=30, minutes=1, training_seconds=1500))


def test_the_plan_counts_one_as_one(tmp_path: Path) -> None:
    lines = "\n".join(describe(planned(tmp_path, attempts=1, minutes=1)))
    assert "Budget: 1 attempt, or 1 minute with the confirmation, " in lines
    assert "Machine: 1 worker on cpu" in lines
    assert "Machine: 1 workers" not in lines


def test_more_guards_than_three_are_refused(tmp_path: Path) -> None:
    three = {"pass@1": 0.02, "pass@2": 0.02, "pass@4": 0.02}
    assert len(planned(tmp_path, guards=three).guards) == 3
    with pytest.raises(InvalidOption, match="4 guards are too many"):
        planned(tmp_path, guards={**three, "pass@8": 0.02})
