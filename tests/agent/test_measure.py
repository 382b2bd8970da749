"""What a measurement promises: only finite scores are stored, and the key knows the plug-in's code."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from agent.failures import TrainingFailed
from environments.base import Metric, Score, Split
from tests.agent.a_laboratory import Says, build_measurer, leave_trained

SOUND = Metric(0.5, 0.01, (0.0, 1.0), ("a", "b"))


@pytest.mark.parametrize(
    "spoilt",
    [
        Metric(math.nan, 0.01, (0.0, 1.0), ("a", "b")),
        Metric(math.inf),
        Metric(0.5, math.nan),
        Metric(0.5, math.inf),
        Metric(0.5, None, (0.0, math.nan), ("a", "b")),
        Metric(0.5, None, (-math.inf, 1.0), ("a", "b")),
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["S", "entropy"])
def test_a_score_that_is_not_finite_fails_the_training_and_is_never_stored(
    name: str, spoilt: Metric, tmp_path: Path
) -> None:
    score = Score("S", {"S": SOUND, "entropy": Metric(0.3), name: spoilt})
    measurer = build_measurer(tmp_path, scorer=Says(score))
    subject = leave_trained(measurer, tmp_path / "attempts" / "0001", seed=0)
    with pytest.raises(TrainingFailed, match=f"scores {name}") as failed:
        measurer.score(subject, 0, Split.SELECTION)
    assert not failed.value.early
    assert measurer.find(subject.commit, 0, Split.SELECTION) is None
    assert measurer.store.all() == []


def test_a_finite_score_is_stored_under_its_key(tmp_path: Path) -> None:
    score = Score("S", {"S": SOUND, "entropy": Metric(0.3, None)})
    measurer = build_measurer(tmp_path, scorer=Says(score))
    subject = leave_trained(measurer, tmp_path / "attempts" / "0001", seed=0)
    measured = measurer.score(subject, 0, Split.SELECTION)
    assert measurer.find(subject.commit, 0, Split.SELECTION) == measured
    assert (measured.score, measured.entropy_end, measured.law) == (score, 0.3, None)


def test_trainings_with_random_rewards_are_never_taken_for_others(tmp_path: Path) -> None:
    measurer = build_measurer(tmp_path)
    placebo = measurer.rewarded("random")
    keys = {one.key("baseline", 1, Split.SELECTION).digest for one in (measurer, placebo)}
    assert len(keys) == 2
    assert measurer.rewarded("task").key("baseline", 1, Split.SELECTION).digest in keys


def test_the_key_changes_with_the_file_of_a_plug_in_and_with_nothing_else(tmp_path: Path) -> None:
    plug_in = tmp_path / "domain.py"

    def key(code: str) -> str:
        plug_in.write_text(code)
        measurer = build_measurer(tmp_path / "run", environment=str(plug_in))
        return measurer.key("baseline", 1, Split.SELECTION).digest

    first = key("REWARD = 1.0\n")
    assert key("REWARD = 2.0\n") != first
    assert key("REWARD = 1.0\n\n") != first
    assert key("REWARD = 1.0\n") == first
    assert build_measurer(tmp_path / "run").key("baseline", 1, Split.SELECTION).digest != first
