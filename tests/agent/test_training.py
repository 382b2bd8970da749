"""What a training leaves is clean of secrets however the training ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.failures import StoppedEarly
from agent.training import Subject
from agent.watch import Watch
from environments.base import Metric, Score
from tests.agent.a_laboratory import build_measurer
from workspaces.executors.local import LocalExecutor
from workspaces.sandbox.none import NoIsolation
from workspaces.workspace import Workspace

KEY = "sk-proj-0123456789abcdefGHIJ"
PRINTS_AND_SNAPSHOTS = f"""
import os, time
print({KEY!r}, flush=True)
part = os.environ["SZILARD_ROOT"] + "/out/snapshot-1"
os.mkdir(part + ".part")
for name in ("config.json", "model.safetensors"):
    open(part + ".part/" + name, "w").write("{{}}")
os.rename(part + ".part", part)
time.sleep(60)
"""


def test_a_training_that_is_stopped_early_leaves_no_secret_in_its_log(tmp_path: Path) -> None:
    measurer = build_measurer(tmp_path, recipe=PRINTS_AND_SNAPSHOTS)
    executor = LocalExecutor(NoIsolation(), 1)
    measurer.trainer.executor = executor
    subject = Subject(
        measurer.ledger.tags()["baseline"],
        tmp_path / "attempt",
        Workspace(measurer.ledger, tmp_path / "tree"),
    )
    watch = Watch((1,), lambda updates, score: "no hope")
    try:
        with pytest.raises(StoppedEarly):
            measurer.trainer.train(
                "a", subject, tmp_path / "job", 0, watch, lambda *_: Score("S", {"S": Metric(0.0)})
            )
    finally:
        executor.close()
    assert (tmp_path / "job" / "stdout.log").read_text() == "[secret]\n"
