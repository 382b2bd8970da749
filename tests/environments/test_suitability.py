"""What follows from probes: the verdict's laws, and every threshold from both sides."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments import probes
from environments.suitability import LIMITS, ORDER, QUESTIONS, Assessment, Level, Probe, answer, assess

LEVELS: list[Level] = ["passed", "reported", "advice", "conditional", "unsuitable", "not measured"]
RANK = {"suitable": 0, "conditional": 1, "unsuitable": 2}
PROBES = st.dictionaries(st.sampled_from(ORDER), st.sampled_from(LEVELS), min_size=1)


def of(levels: dict[str, Level]) -> list[Probe]:
    return [answer(name, level, 1.0, "measured") for name, level in levels.items()]


def test_every_probe_has_its_words_and_its_place() -> None:
    assert set(ORDER) == set(QUESTIONS)
    assert len(ORDER) == len(set(ORDER))


@given(PROBES)
def test_one_missing_property_blocks_and_the_first_in_order_is_named(levels: dict[str, Level]) -> None:
    verdict = assess(of(levels))
    blocking = [name for name in ORDER if levels.get(name) == "unsuitable" and name != "E1"]
    if blocking:
        assert (verdict.outcome, verdict.deciding) == ("unsuitable", blocking[0])
        assert verdict.deciding in verdict.reason
    else:
        assert verdict.outcome != "unsuitable"


@given(PROBES, st.sampled_from(ORDER), st.sampled_from(LEVELS))
def test_a_further_probe_never_makes_a_verdict_better(
    levels: dict[str, Level], name: str, level: Level
) -> None:
    before, after = assess(of(levels)), assess(of({**{name: level}, **levels}))
    assert RANK[after.outcome] >= RANK[before.outcome]


@given(st.sampled_from([name for name in ORDER if name != "E1"]))
def test_a_probe_that_could_not_run_caps_the_verdict(name: str) -> None:
    levels: dict[str, Level] = dict.fromkeys(ORDER, "passed")
    assert assess(of(levels)).outcome == "suitable"
    assert assess(of({**levels, name: "not measured"})).outcome == "conditional"


def test_an_entropy_regime_that_is_not_known_caps_nothing() -> None:
    assert assess(of({"M1": "passed", "E1": "not measured"})).outcome == "suitable"


@given(PROBES)
def test_a_verdict_survives_json(levels: dict[str, Level]) -> None:
    verdict = assess(of(levels))
    assert Assessment.from_json(json.loads(json.dumps(verdict.to_json()))) == verdict


BASELINE = [0.50, 0.51, 0.49, 0.505, 0.495]


@pytest.mark.parametrize(
    ("probe", "expected"),
    [
        (probes.scalar({"a": 0.2, "b": 0.9}, 0, 1), "passed"),
        (probes.scalar({"a": math.nan}, 0, 1), "unsuitable"),
        (probes.scalar({"a": 1.2}, 0, 1), "unsuitable"),
        (probes.determinism([0.4, 0.4, 0.4], None, None), "passed"),
        (probes.determinism([0.4, 0.4, 0.4005], 0.01, 0.3), "passed"),
        (probes.determinism([0.4, 0.4, 0.402], 0.01, 0.3), "conditional"),
        (probes.determinism([0.4, 0.4, 0.55], 0.2, 0.3), "unsuitable"),
        (probes.determinism([0.4, 0.4, 0.402], None, None), "not measured"),
        (probes.isolation([], [], [], True), "passed"),
        (probes.isolation(["recipe.py"], [], [], True), "unsuitable"),
        (probes.isolation([], ["score.json"], [], True), "unsuitable"),
        (probes.isolation([], [], ["train.py"], True), "unsuitable"),
        (probes.gaming(0.6, {"constant": 0.3}, 0.1), "passed"),
        (probes.gaming(0.6, {"constant": 0.4}, 0.1), "conditional"),
        (probes.gaming(0.6, {"constant": 0.56}, 0.1), "unsuitable"),
        (probes.gaming(0.6, {}, 0.1), "not measured"),
        (probes.known_groups(BASELINE, {"noised": 0.2}, {"empty": 0.1}, 0.01), "passed"),
        (probes.known_groups(BASELINE, {"noised": 0.485}, {"empty": 0.1}, 0.01), "unsuitable"),
        (probes.known_groups(BASELINE, {"noised": 0.2}, {"empty": 0.6}, 0.01), "unsuitable"),
        (probes.known_groups([0.5] * 5, {"noised": 0.5}, {}, 0.0), "unsuitable"),
        (probes.attempt_seconds([10, 11, 12]), "passed"),
        (probes.attempt_seconds([10, 11, 3 * 3600]), "conditional"),
        (probes.attempt_seconds([25 * 3600] * 3), "unsuitable"),
        (probes.attempts(60, 8), "passed"),
        (probes.attempts(1800, 8), "conditional"),
        (probes.attempts(3700, 8), "unsuitable"),
        (probes.seed_noise(BASELINE, 5), "reported"),
        (probes.seed_noise(BASELINE, 4), "unsuitable"),
        (
            probes.reliability({n: (x, x) for n, x in zip("abcd", (0.1, 0.2, 0.3, 0.4), strict=True)}),
            "passed",
        ),
        (probes.reliability({"a": (0, 1), "b": (1, 0), "c": (0, 1), "d": (1, 0)}), "unsuitable"),
        (probes.power(0.02, 0.005, 12, 8), "passed"),
        (probes.power(0.02, 0.03, 120, 8), "conditional"),
        (probes.power(0.01, 0.06, 1, 8), "unsuitable"),
        (probes.power(0.01, 0.01, 1200, 2), "unsuitable"),
        (probes.power(0.0, 0.01, 1, 8), "not measured"),
        (probes.headroom(0.5, 1.0, 0.05), "passed"),
        (probes.headroom(0.9, 1.0, 0.05), "unsuitable"),
        (probes.immediacy(2, 10, False), "passed"),
        (probes.immediacy(20, 10, False), "conditional"),
        (probes.immediacy(0, 10, True), "unsuitable"),
        (probes.surface(19, 1), "conditional"),
        (probes.surface(20, 1), "passed"),
        (probes.sensitivity({"a": 0.1, "b": 0.1, "c": 0.0}, 0.0, 0.01), "passed"),
        (probes.sensitivity({"a": 0.1, "b": 0.0}, 0.0, 0.01), "conditional"),
        (probes.sensitivity({"a": 0.1}, 0.1, 0.01), "conditional"),
        (probes.sensitivity({"a": 0.001}, 0.0, 0.01), "unsuitable"),
        (probes.sensitivity({}, 0.0, 0.01), "not measured"),
        (probes.attribution(0.6, 0.55, 0.55, 0.5), "passed"),
        (probes.attribution(0.3, 0.55, 0.55, 0.5), "conditional"),
        (probes.reproduction(0.5, 0.51, 0.01, 0.0), "passed"),
        (probes.reproduction(0.5, 0.53, 0.01, 0.0), "unsuitable"),
        (probes.reproduction(0.5, None, 0.01, 0.0), "unsuitable"),
        (probes.revert(True, 0.5, 0.5), "passed"),
        (probes.revert(False, 0.5, 0.5), "unsuitable"),
        (probes.revert(True, 0.5, None), "unsuitable"),
        (probes.hygiene([]), "passed"),
        (probes.hygiene(["weights.bin"]), "conditional"),
        (probes.diff_size([3, 400]), "advice"),
        (probes.overhead(10, 15), "passed"),
        (probes.overhead(10, 30), "advice"),
    ],
)
def test_thresholds_from_both_sides(probe: Probe, expected: str) -> None:
    assert probe.verdict == expected, probe.finding
    assert bool(probe.remedy) == (expected in ("conditional", "unsuitable", "advice"))


def test_more_seeds_than_a_run_can_have_are_out_of_reach() -> None:
    from agent.cli.find import MOST_SEEDS

    assert LIMITS.most_pairs == MOST_SEEDS
