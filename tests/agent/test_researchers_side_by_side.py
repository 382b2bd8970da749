"""What a comparison of researchers says: areas, horizons and differences paired by seed."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from agent.cli import main
from agent.studies.researchers import Course, differences, horizon, plan_runs, share_baseline
from agent.studies.researchers_files import curve_of, write_researchers
from environments.base import Metric, Score
from tests.agent.a_laboratory import settings
from workspaces.measurements import Measurement, MeasurementKey, MeasurementStore

NONE = None


def course(researcher: str, seed: int, *steps: tuple[float, float], seconds: float = 100.0) -> Course:
    return Course(researcher, seed, 5, len(steps), seconds, steps, (0.01, (0.0, 0.02)) if steps else NONE)


COURSES = [
    course("random", 0),
    course("tpe", 0, (50.0, 0.04)),
    course("random", 1, (90.0, 0.02), seconds=80.0),
    course("tpe", 1, (20.0, 0.01), (60.0, 0.03)),
]


def test_the_area_is_the_mean_gain_over_training_seconds() -> None:
    assert course("tpe", 0).area(100.0) == 0.0
    assert course("tpe", 0, (0.0, 0.04)).area(100.0) == pytest.approx(0.04)
    assert course("tpe", 0, (50.0, 0.04)).area(100.0) == pytest.approx(0.02)
    assert course("tpe", 0, (20.0, 0.01), (60.0, 0.03)).area(100.0) == pytest.approx(0.016)
    assert course("tpe", 0, (50.0, 0.04)).area(40.0) == 0.0


def test_the_curve_steps_at_each_promotion_and_stays_after_the_last_attempt() -> None:
    one = course("tpe", 0, (20.0, 0.01), (60.0, 0.03), seconds=70.0)
    assert [one.gain_at(second) for second in (0.0, 19.9, 20.0, 59.0, 60.0, 500.0)] == [
        0.0, 0.0, 0.01, 0.01, 0.03, 0.03,
    ]  # fmt: skip


def test_all_are_held_over_the_seconds_of_the_longest_and_paired_by_seed() -> None:
    assert horizon(COURSES) == 100.0
    found = differences(COURSES, "random")
    assert found.keys() == {"tpe"}
    assert found["tpe"].change == pytest.approx((0.02 + 0.016 - 0.002) / 2)
    low, high = found["tpe"].interval or (0.0, 0.0)
    assert low < found["tpe"].change < high
    assert differences(COURSES[:2], "random")["tpe"].interval is None, "one seed has no interval"


def test_the_band_holds_the_mean_and_one_run_has_none() -> None:
    curve = curve_of([COURSES[1], COURSES[3]], 100.0)
    assert curve.low is not None
    assert curve.high is not None
    for low, mean, high in zip(curve.low, curve.mean, curve.high, strict=True):
        assert low <= mean <= high
    assert curve_of(COURSES[:1], 100.0).low is None


def test_the_files_hold_every_run_and_every_step(tmp_path: Path) -> None:
    written = write_researchers(COURSES, "solved", "random", tmp_path, "szilard compare-researchers")
    assert {path.name for path in written} == {
        "runs.csv", "curves.csv", "table.md", "anytime.svg", "anytime.png",
    }  # fmt: skip
    with (tmp_path / "runs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["researcher"], row["seed"], row["kept"]) for row in rows] == [
        ("random", "0", "0"), ("tpe", "0", "1"), ("random", "1", "1"), ("tpe", "1", "2"),
    ]  # fmt: skip
    assert rows[0]["confirmed_change"] == ""
    table = (tmp_path / "table.md").read_text()
    assert "| random | 2 | 5.0 | 1 |" in table
    assert "area against random" in table


def test_runs_are_planned_seed_by_seed_and_only_who_asks_a_model_has_one() -> None:
    asked = settings().model_copy(update={"seed": 3, "model": "scripted"})
    planned = plan_runs(asked, ["random", "hybrid"], 2)
    assert [(one.name, one.seed, one.model) for one in planned] == [
        ("random-3", 3, None), ("hybrid-3", 3, "scripted"),
        ("random-4", 4, None), ("hybrid-4", 4, "scripted"),
    ]  # fmt: skip


def measurement(tree: str, split: str, seed: int) -> Measurement:
    key = MeasurementKey(tree, "put-in 1", "policy", seed, split, "{}", "cpu")
    score = Score("S", {"S": Metric(0.5, 0.01, (0.5, 0.5), ("0", "1"))})
    return Measurement(key, score, f"{tree}-{seed}", 1.0, 1.0, 0.1, 0.5, 0.3, 100, None)


def test_a_run_shares_the_baseline_and_is_charged_for_it_but_learns_nothing_of_attempts(
    tmp_path: Path,
) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    for run in (source, target):
        run.mkdir()
        settings().write(run)
    trained = {
        "0000": [measurement("baseline", "selection", 1), measurement("baseline", "selection", 40)],
        "0001": [measurement("attempt", "selection", 1)],
        "none-lr-x0-7": [measurement("frontier", "selection", 1)],
        "attempt-1": [measurement("attempt", "confirmation", 1)],
    }
    snapshots = [measurement(tree, "selection after 60 updates", 0) for tree in ("baseline", "attempt")]
    store = MeasurementStore(source / "measurements")
    for one in (*(one for of_one in trained.values() for one in of_one), *snapshots):
        store.put(one)
    rows = [
        {"key": key.digest, "folder": folder, "seed": key.seed, "split": key.split, "seconds": 2.0}
        for folder, of_one in trained.items()
        for key in (one.key for one in of_one)
    ]
    for name in ("trainings.jsonl", "trained.jsonl"):
        (source / name).write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    left = source / "attempts" / "0000" / "selection-1"
    left.mkdir(parents=True)
    (left / "trained.json").write_text("{}")
    for _ in range(2):
        share_baseline(source, target)
    shared = {
        (one.key.tree, one.key.split, one.key.seed) for one in MeasurementStore(target / "measurements").all()
    }
    assert shared == {
        ("baseline", "selection", 1),
        ("baseline", "selection after 60 updates", 0),
    }
    for name in ("trainings.jsonl", "trained.jsonl"):
        assert [json.loads(line) for line in (target / name).read_text().splitlines()] == rows[:1]
    assert (target / "attempts" / "0000" / "selection-1" / "trained.json").exists()


def test_a_dry_run_says_what_it_would_cost_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    main(
        ["compare-researchers", "random", "catalogue", "--training-seconds", "1800", "--runs", "2",
         "--dry-run", "--workers", "2", "--sandbox", "none"]
    )  # fmt: skip
    told = capsys.readouterr().out
    assert "random, catalogue; 2 runs each" in told
    assert "7,200 in all: about 1.0 hours on 2 workers" in told
    assert list(tmp_path.iterdir()) == []


def test_who_asks_a_model_needs_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["compare-researchers", "hybrid", "--training-seconds", "60"])
    assert ended.value.code == 2
    assert "hybrid needs --model" in capsys.readouterr().err
