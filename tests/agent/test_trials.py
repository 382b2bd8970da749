"""Trials: what fails is tried again and never held against a variant for good."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.failures import TrainingFailed
from agent.opening import Opened
from agent.plan import plan_training
from agent.state_files import Clock
from agent.training import Subject
from agent.trials import OtherComparison, Trial, Trials, Variant, open_trials
from agent.workers import Workers
from environments.base import Metric, Score, Split, SzilardError
from tests.agent.a_laboratory import Says, build_measurer
from workspaces.measurements import Measurement

VARIANT = Variant("one", "one", {"recipe.py": "STEPS = 50\n"})
SCORE = Score("S", {"S": Metric(0.5, 0.01, (0.0, 1.0), ("a", "b")), "entropy": Metric(0.3)})


def trials_with(tmp_path: Path, outcomes: list[str | None]) -> tuple[Trials, list[str]]:
    """Trials whose trainings come out as told: a reason of failure, or None for a score."""
    measurer, said = build_measurer(tmp_path, scorer=Says(SCORE)), list[str]()
    made: dict[int, Measurement] = {}

    def measure(subject: Subject, seed: int, split: Split) -> Measurement:
        reason = outcomes.pop(0)
        if reason is not None:
            raise TrainingFailed(reason, early=False)
        key = measurer.key(subject.commit, seed, split)
        made[seed] = Measurement(key, SCORE, "hash", 1.0, 1.0, 1.0, 0.5, 0.3, 10, None)
        measurer.store.put(made[seed])
        return made[seed]

    measurer.measure = measure  # type: ignore[method-assign]
    found = Opened(measurer.environment, measurer, lambda event: said.append(getattr(event, "text", "")))
    return Trials(tmp_path, measurer.settings, found, Workers(tmp_path, measurer)), said


def test_a_training_that_fails_once_is_trained_again(tmp_path: Path) -> None:
    trials, said = trials_with(tmp_path, ["Ended by its limit: wall time 48 s", None])
    trials.measure([Trial(VARIANT, 1)])
    assert list(trials.measurements(VARIANT, [1])) == [1]
    assert trials.failures(VARIANT) == {}
    assert any("wall time" in line for line in said)


def test_a_failure_is_of_its_seed_and_is_forgotten_by_the_next_command(tmp_path: Path) -> None:
    trials, _ = trials_with(tmp_path, ["broken", "broken", None])
    trials.measure([Trial(VARIANT, 1), Trial(VARIANT, 2)])
    assert trials.failures(VARIANT) == {1: "broken"}
    assert list(trials.measurements(VARIANT, [1, 2])) == [2]
    again, _ = trials_with(tmp_path, [None])
    again.measure([Trial(VARIANT, 1), Trial(VARIANT, 2)])
    assert list(again.measurements(VARIANT, [1, 2])) == [1, 2]


@pytest.mark.parametrize("text", ["{}", '{"seconds": null}', '{"seconds": 1e999}', '{"seconds": -1}', "["])
def test_a_damaged_clock_is_named_in_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "clock.json").write_text(text)
    with pytest.raises(SzilardError, match=r"clock\.json is damaged"):
        Clock(tmp_path / "clock.json")


@pytest.mark.parametrize("text", ["[", '{"seeds": 9}', "{}"])
def test_a_folder_that_compares_something_else_is_left_as_it_is(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "comparison.json").write_text(text)
    with pytest.raises(OtherComparison, match="--out"), open_trials(folder, _settings(folder), {}, print):
        pass
    assert (folder / "comparison.json").read_text() == text


def test_a_comparison_may_be_moved_and_given_more_time(tmp_path: Path) -> None:
    with open_trials(tmp_path / "one", _settings(tmp_path / "one"), {}, print):
        pass
    (tmp_path / "one").rename(tmp_path / "two")
    with open_trials(tmp_path / "two", _settings(tmp_path / "two", minutes=9.0), {}, print) as trials:
        assert not trials.out_of_time()
    assert json.loads((tmp_path / "two" / "comparison.json").read_text())["name"] == "one"


def _settings(folder: Path, minutes: float | None = None):  # type: ignore[no-untyped-def]
    return plan_training(
        goal="Compare", environment="countdown", metric=None, guards=None, minutes=minutes, seeds=2,
        workers=1, device="cpu", folder=folder, seed=0, sandbox="auto", name=folder.name,
    )  # fmt: skip
