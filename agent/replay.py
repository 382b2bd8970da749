"""One seed of an attempt trained again from its commit, and held against what is recorded.

Owns the comparison; nothing is stored of it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from agent.events import Observer, Progress
from agent.run import Run, opened_run
from agent.seeds import block_after, every_seed
from agent.training import Subject
from environments.base import Split, SzilardError
from workspaces.workspace import Workspace


@dataclass(frozen=True)
class ReplayResult:
    """An attempt trained again from its commit and seed; `identical` compares every metric bit by bit."""

    attempt: int
    seed_index: int
    recorded: float
    replayed: float
    identical: bool

    @property
    def difference(self) -> float:
        return self.replayed - self.recorded


def replay(directory: Path, attempt: int, observer: Observer) -> ReplayResult:
    """Train an attempt again from its commit and its first evidence seed, and compare the score.

    Raises:
        SzilardError: there is no such attempt, or it was never measured.
    """
    with opened_run(directory, observer) as run:
        return _replayed(run, attempt)


def _replayed(run: Run, attempt: int) -> ReplayResult:
    record = run.ledger.attempt(attempt) if attempt else None
    commit = run.ledger.tags()["baseline"] if attempt == 0 else record.code_commit if record else None
    if commit is None:
        raise SzilardError(f"There is no attempt {attempt} in {run.directory}; `szilard log` lists them.")
    used = every_seed(run.settings.seeds, block_after(run.history.race_outcomes()))
    seeds = run.history.measurements(commit, Split.SELECTION, used)
    if not seeds:
        raise SzilardError(f"Attempt {attempt} was never measured, so there is nothing to compare with.")
    seed = min((s for s in seeds if s > 0), default=0)
    folder = run.directory / "replays" / f"{attempt:04d}-{os.getpid()}"
    workspace = Workspace(run.ledger, run.directory / "worktrees" / f"replay-{os.getpid()}")
    run.observer(Progress(attempt=attempt, phase="train", detail=f"replay of seed {seed}"))
    try:
        again = run.measurer.repeat(Subject(commit, folder, workspace), seed, Split.SELECTION)
    finally:
        workspace.remove()
    metric = run.settings.metric
    return ReplayResult(
        attempt=attempt,
        seed_index=seed,
        recorded=seeds[seed].score.metrics[metric].value,
        replayed=again.score.metrics[metric].value,
        identical=again.score == seeds[seed].score and again.policy_hash == seeds[seed].policy_hash,
    )
