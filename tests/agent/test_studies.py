"""Studies and comparisons: what they train, and that verdicts follow their rules."""

from __future__ import annotations

import dataclasses
import math
import os
import random
import re
from pathlib import Path

import pytest

from agent.studies import NAMES, UnknownStudy, entropy_law, entropy_regime, forking_tokens, load
from agent.studies import controls as controls_study
from agent.studies.arms import NONE, ControlArm, UnknownControl, control_arms, entropy_control, variant
from agent.studies.base import ONE_SAMPLE, Finding, Report, one_sample
from agent.studies.comparison import mean_trajectory
from agent.studies.entropy_law import Series
from agent.studies.page import PENDING, write_findings, write_rules
from agent.trace import TraceRow
from environments.base import SzilardError
from environments.registry import load as load_environment
from evaluators.significance import CrossedInterval
from workspaces.controls import NotAControl, read_control, shipped_controls

COUNTDOWN = load_environment("countdown")


# Arms


def test_every_shipped_control_is_compared_at_its_published_setting() -> None:
    published = {arm.control.name for arm in control_arms() if arm.control and arm.setting == "published"}
    assert published == set(shipped_controls()) - {"PpoClip", "GroupAdvantage", "LastIterate"}


def test_controls_that_touch_next_to_nothing_are_adapted_apart() -> None:
    adapted = {
        arm.control.name: dict(arm.arguments)
        for arm in control_arms()
        if arm.control and arm.setting == "adapted"
    }
    assert adapted["ClipCov"] == {"fraction": 0.02}
    assert adapted["KlCov"] == {"fraction": 0.02}


def test_a_comparison_that_runs_out_of_time_has_seen_every_kind_of_control() -> None:
    first = [arm.kind for arm in control_arms()][:6]
    assert {"loss", "term", "advantage", "average", "sampling"} <= set(first)


def test_a_comparison_that_runs_out_of_time_has_seen_every_control_before_a_second_setting_of_one() -> None:
    controls = [arm.control.name for arm in control_arms() if arm.control]
    distinct = len(set(controls))
    assert len(set(controls[:distinct])) == distinct


def test_arms_differ_from_none_in_the_control_and_from_one_another_in_name() -> None:
    variants = [variant(COUNTDOWN, arm, rate) for arm in [NONE, *control_arms()] for rate in (0.7, 1.0, 1.7)]
    assert len({one.name for one in variants}) == len(variants)
    assert len({tuple(sorted(one.files.items())) for one in variants}) == len(variants)
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", one.name) for one in variants)


def test_an_arm_changes_learning_rate_and_length_and_nothing_else_of_the_recipe() -> None:
    before = COUNTDOWN.workspace_template()["recipe.py"].read_text().splitlines()
    after = variant(COUNTDOWN, NONE, 1.7, 0.5).files["recipe.py"].splitlines()
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert changed == [("LEARNING_RATE = 3e-4", "LEARNING_RATE = 0.00051"), ("STEPS = 150", "STEPS = 75")]


def test_controls_of_all_kinds_are_written_into_one_entropy_control() -> None:
    known = shipped_controls()
    text = entropy_control(
        [
            ControlArm(known["KlCov"], "adapted", {"fraction": 0.02}),
            ControlArm(known["EntropyBonus"], "published"),
            ControlArm(known["KlToStart"], "adapted", {"estimator": "k2"}),
            ControlArm(known["DynamicSampling"], "published"),
        ]
    )
    assert "LOSS = KlCov(fraction=0.02)" in text
    assert "ADVANTAGE = GroupAdvantage()" in text
    assert "TERMS = (EntropyBonus(), KlToStart(estimator='k2'),)" in text
    assert "SAMPLING = (DynamicSampling(),)" in text
    compile(text, "entropy_control.py", "exec")


def test_an_unknown_control_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownControl, match="Did you mean ClipCov"):
        control_arms(["ClipCow"])


# Control files


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x = 1\n", "holds 0 controls"),
        ("class A:\n    kind = 'loss'\nclass B:\n    kind = 'term'\n", "holds 2 controls"),
        ("class A:\n    kind = 'lost'\n", "kind is 'lost'"),
        ("class A:\n    kind: str = 'loss'\n", "annotate it as `kind: ClassVar"),
        ("class A(:\n", "line 1 is no Python"),
    ],
)
def test_a_file_that_is_no_control_is_refused_with_the_reason(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(NotAControl, match=reason):
        read_control(path)


def test_what_is_no_small_file_is_refused_and_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "large.py").write_bytes(b"#" * (2**20 + 1))
    for name, reason in (("pipe.py", "is no file"), ("large.py", "larger than")):
        with pytest.raises(NotAControl, match=reason):
            read_control(tmp_path / name)


# Rules


def test_a_study_that_does_not_exist_is_answered_with_those_that_do() -> None:
    with pytest.raises(UnknownStudy, match="entropy-law, entropy-regime, forking-tokens, controls"):
        load("entropy")
    assert [load(name).name for name in NAMES] == list(NAMES)


def trainings(form: str, noise: float = 1e-4) -> list[Series]:
    """Six trainings whose reward follows entropy in one form."""
    source = random.Random(form)
    series = []
    for _ in range(6):
        entropy = [0.6 * math.exp(-step / 6) + 0.02 for step in range(20)]
        shapes = {
            "law": [0.9 - 0.4 * math.exp(h) for h in entropy],
            "noise": [source.random() for _ in entropy],
            "steps": [0.1 + 0.1 * math.log(step + 1) for step in range(20)],
        }
        reward = [r + source.gauss(0, noise) for r in shapes[form]]
        series.append(Series(entropy, reward, [float(step + 1) for step in range(20)]))
    return series


def test_the_law_is_reproduced_where_it_holds_and_nowhere_else() -> None:
    assert entropy_law.judge("law", trainings("law")).judgement == "reproduced"
    assert entropy_law.judge("law", trainings("noise")).judgement == "not reproduced here"
    assert entropy_law.judge("law", trainings("steps")).judgement == "partly reproduced"
    assert entropy_law.judge("law", [Series([0.1], [0.2], [1.0])] * 3).judgement == "not decided"


def test_the_forecast_is_made_from_the_first_third_of_the_steps_and_not_of_the_points() -> None:
    """Points crowd at the beginning: a third of them would be far less than a third of the training."""
    steps = [1.0, 2.0, 3.0, 4.0, 5.0, 30.0, 60.0, 100.0]
    entropy = [0.5, 0.48, 0.46, 0.44, 0.42, 0.3, 0.2, 0.1]
    reward = [0.0, 0.0, 0.0, 0.0, 0.3, 0.9 - math.exp(0.3) * 0.4, 0.9 - math.exp(0.2) * 0.4, 0.46]
    found = entropy_law.judge("law", [Series(entropy, reward, steps)] * 3)
    six = [0.9 - 0.4 * math.exp(h) for h in entropy]
    exact = entropy_law.judge("law", [Series(entropy, six, steps)] * 3)
    assert "forecast of the end off by 0.000" in exact.reason
    assert found.judgement != exact.judgement


def interval(change: float, half: float) -> CrossedInterval:
    return CrossedInterval(change, half / 2, (change - half, change + half), half / 2, None)


@pytest.mark.parametrize(
    ("top", "bottom", "expected"),
    [
        ((0.0, 0.005), (-0.05, 0.01), ["reproduced", "reproduced"]),
        ((0.0, 0.02), (-0.05, 0.06), ["not reproduced here", "not reproduced here"]),
        ((0.03, 0.01), (0.01, 0.005), ["reproduced", "not reproduced here"]),
    ],
)
def test_forking_tokens_are_judged_by_the_interval_and_not_by_the_mean(
    top: tuple[float, float], bottom: tuple[float, float], expected: list[str]
) -> None:
    found = forking_tokens.judge("score", interval(*top), interval(*bottom))
    assert [finding.judgement for finding in found] == expected


def excess(**means: float) -> dict[str, dict[int, float]]:
    jitter = {1: 0.001, 2: -0.001, 3: 0.0005, 4: -0.0005, 5: 0.0}
    return {
        name.replace("_adapted", " (fraction 0.02)"): {
            seed: mean + rank * error for seed, error in jitter.items()
        }
        for rank, (name, mean) in enumerate(means.items(), start=1)
    }


def test_entropy_at_the_same_reward_is_judged_against_both_rivals() -> None:
    high = excess(none=0.0, ClipHigher=0.0, ClipCov=0.1, KlCov=0.0, KlCov_adapted=0.1, Gppo=0.1)
    low = excess(none=0.0, ClipHigher=0.0, ClipCov=-0.1, KlCov=-0.1, Gppo=-0.1)
    some = excess(none=0.0, ClipHigher=0.2, ClipCov=0.1, KlCov=0.0, Gppo=0.0)
    assert controls_study.judge_excess(high).judgement == "reproduced"
    assert controls_study.judge_excess(low).judgement == "not reproduced here"
    assert controls_study.judge_excess(some).judgement == "partly reproduced"
    without = {label: found for label, found in high.items() if label != "Gppo"}
    assert controls_study.judge_excess(without).judgement == "not decided"


def test_mean_trajectory_is_the_mean_over_seeds_and_as_long_as_the_shortest() -> None:
    traces = [
        [TraceRow(step, reward, 0.5, None) for step in range(length)]
        for length, reward in ((9, 0.2), (6, 0.4))
    ]
    found = mean_trajectory(traces, points=9)
    assert len(found) == 6
    assert all(row.reward == pytest.approx(0.3) for row in found)


# The entropy regime


def followers(*, one: float, many: float, noise: float = 0.05) -> list[list[dict[str, float]]]:
    """[code][seed]: metrics whose slope over entropy is given."""
    rng = random.Random(0)
    return [
        [
            {
                "entropy": entropy + 0.01 * seed,
                "reward": one * entropy + rng.gauss(0.0, noise),
                "diversity": many * entropy + rng.gauss(0.0, noise),
            }
            for seed in range(5)
        ]
        for entropy in (0.2, 0.5, 0.8, 1.1)
    ]


def regime(figures: list[list[dict[str, float]]]) -> list[str]:
    found = {
        name: dict.fromkeys(entropy_regime.LEVERS, entropy_regime.response(name, figures))
        for name in ("reward", "diversity")
    }
    judge = entropy_regime.judge
    return [
        judge("one", ONE_SAMPLE, found, above=False).judgement,
        judge("many", entropy_regime.MANY_SAMPLES, found, above=True).judgement,
    ]


def test_the_regime_is_the_sign_with_which_a_score_follows_entropy() -> None:
    assert regime(followers(one=-1.0, many=1.0)) == ["reproduced", "reproduced"]
    assert regime(followers(one=1.0, many=-1.0)) == ["not reproduced here", "not reproduced here"]
    assert regime(followers(one=0.0, many=0.0, noise=1.0)) == ["not reproduced here"] * 2


def test_what_only_one_lever_shows_is_partly_reproduced() -> None:
    spends = entropy_regime.response("reward", followers(one=-1.0, many=0.0))
    nothing = entropy_regime.response("reward", followers(one=0.0, many=0.0, noise=1.0))
    levers = {"learning rate": spends, "entropy bonus": nothing, "both": spends}
    found = entropy_regime.judge("one", ONE_SAMPLE, {"reward": levers}, above=False)
    assert found.judgement == "partly reproduced"
    assert "entropy bonus" in found.reason


def test_a_domain_without_the_metric_or_with_one_seed_decides_nothing() -> None:
    assert entropy_regime.judge("one", ONE_SAMPLE, {}, above=False).judgement == "not decided"
    single = [seeds[:1] for seeds in followers(one=-1.0, many=1.0)]
    assert regime(single) == ["not decided", "not decided"]
    with pytest.raises(SzilardError, match="pass_at_1 or reward"):
        one_sample({"entropy": 0.1})


# Pages


def test_rules_stand_on_the_page_before_any_figure_and_other_domains_keep_theirs(tmp_path: Path) -> None:
    study = load("entropy-law")
    page = write_rules(study, tmp_path, "countdown")
    assert PENDING in page.read_text()
    picture = tmp_path / "law.svg"
    picture.write_text("<svg/>")
    report = Report([Finding("Validation score", "reproduced", "R² 1 | 2")], "a table", [picture])
    write_findings(study, tmp_path, "countdown", report, "szilard study entropy-law")
    write_rules(study, tmp_path, "melody")
    write_findings(study, tmp_path, "melody", dataclasses.replace(report, body="another"), "szilard study")
    text = page.read_text()
    assert text.index("## Claims and rules") < text.index("## On countdown") < text.index("## On melody")
    assert PENDING not in text
    assert "a table" in text
    assert "another" in text
    assert "**reproduced**" in text
    assert (tmp_path / "entropy-law" / "countdown" / "law.svg").exists()
    write_findings(study, tmp_path, "countdown", dataclasses.replace(report, body="a newer"), "again")
    assert "a table" not in page.read_text()
    assert "another" in page.read_text()
