"""What is told while the end of a run is measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from agent.closing_seeds import planned_closing_seeds
from agent.confirm import Confirming, confirm
from agent.events import Event, Progress
from tests.agent.a_laboratory import BASELINE, SEEDS, build_laboratory
from workspaces.workspace import Workspace


def test_every_measurement_of_the_end_is_counted_and_has_its_error(tmp_path: Path) -> None:
    laboratory = build_laboratory(tmp_path)
    told: list[Event] = []
    confirming = Confirming(
        tmp_path,
        laboratory.settings,
        laboratory.measurer.environment,
        laboratory.ledger,
        laboratory.measurer,
        laboratory.history,
        told.append,
        laboratory.seeds,
        planned_closing_seeds(laboratory.settings, points=1),
    )

    def one_by_one(work: Callable[[int, Workspace], None], jobs: list[int]) -> None:
        for job in jobs:
            work(job, Workspace(laboratory.ledger, tmp_path / "worktree"))

    confirm(confirming, one_by_one)
    assert [event for event in told if isinstance(event, Progress)] == [
        Progress(
            attempt=0,
            phase="frontier",
            detail=f"{seed} of {SEEDS}: baseline, seed {seed}",
            score=BASELINE[seed],
            standard_error=0.01,
            entropy=0.3,
        )
        for seed in range(1, SEEDS + 1)
    ]
