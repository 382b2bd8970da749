"""What a plan refuses before anything is written."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from agent.plan import InvalidOption, plan
from agent.settings import RunSettings


def planned(runs_dir: Path) -> RunSettings:
    return plan(
        goal="Solve more",
        environment="countdown",
        metric=None,
        guards=None,
        attempts=2,
        minutes=None,
        seeds=2,
        workers=1,
        device="cpu",
        researcher="catalogue",
        model=None,
        search="hill-climb",
        runs_dir=runs_dir,
        name="a-run",
        seed=0,
        sandbox="none",
        keep_policies=False,
    )


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
