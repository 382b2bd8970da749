"""What the countdown domain promises: disjoint splits, an exact checker, scores that repeat."""

from __future__ import annotations

import ast
import inspect
import random
import statistics
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from environments import language, registry
from environments.base import (
    InvalidEnvironment,
    InvalidPolicy,
    Score,
    Split,
    Task,
)
from environments.countdown import arithmetic, environment
from environments.countdown.arithmetic import (
    LARGEST,
    MULTISETS,
    OPERATORS,
    SPLIT_OF,
    Numbers,
    canonical,
    check,
    derive,
    draw_tasks,
    read_prompt,
)
from environments.countdown.environment import Countdown
from environments.countdown.warm_start import demonstration
from evaluators.clustered import clustered_standard_error
from evaluators.policy import Policy, PolicyConfig, load_policy, save_policy

QUICK = Path(__file__).parents[1] / "end_to_end" / "quick_countdown.py"


def numbers_of(task: Task) -> Numbers:
    return tuple(sorted(read_prompt(task.prompt)[0]))


@cache
def reachable(numbers: Numbers) -> frozenset[int]:
    """Every end of one to three legal steps, found without the domain's own arithmetic."""
    ends: set[int] = set()
    for i, a in enumerate(numbers):
        for j, b in enumerate(numbers):
            if i == j:
                continue
            left = [n for k, n in enumerate(numbers) if k not in (i, j)]
            for result in (a + b, a - b, a * b):
                if 0 < result < 100:
                    ends.add(result)
                    if left:
                        ends |= reachable(tuple(sorted([*left, result])))
    return frozenset(ends)


# Splits


def test_a_fifth_of_all_multisets_is_held_out_in_two_halves() -> None:
    sizes = {split: len(MULTISETS[split]) for split in Split}
    assert len(SPLIT_OF) == sum(sizes.values()) == 715
    held_out = sizes[Split.SELECTION] + sizes[Split.CONFIRMATION]
    assert held_out == 715 // 5
    assert abs(sizes[Split.SELECTION] - sizes[Split.CONFIRMATION]) <= 1
    assert all(tuple(sorted(m)) == m for m in SPLIT_OF)


def test_tasks_of_the_splits_share_no_multiset() -> None:
    drawn = {
        split: {
            numbers_of(task)
            for seed in (0, 1, 7, 2**40)
            for task in draw_tasks(split, seed, 2 * len(MULTISETS[split]))
        }
        for split in Split
    }
    for split, multisets in drawn.items():
        assert multisets == set(MULTISETS[split])
    assert not drawn[Split.TRAINING] & (drawn[Split.SELECTION] | drawn[Split.CONFIRMATION])
    assert not drawn[Split.SELECTION] & drawn[Split.CONFIRMATION]


def test_warm_start_never_saw_a_held_out_multiset() -> None:
    rng = random.Random(1)
    seen = {tuple(sorted(read_prompt(demonstration(rng)[0])[0])) for _ in range(20_000)}
    assert seen == set(MULTISETS[Split.TRAINING])


def test_cluster_of_a_task_is_its_multiset() -> None:
    for task in draw_tasks(Split.SELECTION, 3, 100):
        assert task.cluster == "-".join(map(str, numbers_of(task)))


# Tasks


@pytest.mark.parametrize("split", list(Split))
def test_tasks_are_a_function_of_the_seed(split: Split) -> None:
    first, again, other = (draw_tasks(split, seed, 60) for seed in (4, 4, 5))
    assert first == again
    assert not {task.prompt for task in first} >= {task.prompt for task in other}
    assert len({task.prompt for task in first}) == 60


@pytest.mark.parametrize("split", list(Split))
def test_every_task_has_a_solution(split: Split) -> None:
    for task in draw_tasks(split, 11, 72):
        numbers, target = read_prompt(task.prompt)
        assert target in reachable(tuple(sorted(numbers)))


@pytest.mark.parametrize("text", ["", "CD 1 2 3 4 5", "CD 1 2 3 4 >", "XX 1 2 3 4 5 >", "CD a 2 3 4 5 >"])
def test_text_that_is_no_prompt_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a countdown prompt|invalid literal"):
        read_prompt(text)


# Checker


@st.composite
def derivations(draw: st.DrawFn) -> tuple[Numbers, list[str]]:
    """Four numbers and the words of a legal derivation."""
    numbers = tuple(draw(st.lists(st.integers(1, 10), min_size=4, max_size=4)))
    rng = random.Random(draw(st.integers(0, 2**32)))
    return numbers, derive(numbers, draw(st.integers(1, 3)), rng).answer.split()


def reference_check(numbers: Numbers, words: list[str]) -> int | None:
    """The rules once more, by table: every legal step from what is left, spelled out."""
    states = [tuple(sorted(numbers))]
    if not words or len(words) % 4:
        return None
    result = None
    for start in range(0, len(words), 4):
        after = []
        for left in states:
            for i, a in enumerate(left):
                for j, b in enumerate(left):
                    for operator, result in (("+", a + b), ("-", a - b), ("*", a * b)):
                        spelled = [str(a), operator, str(b), str(result)]
                        if i != j and 0 < result < 100 and spelled == words[start : start + 4]:
                            rest = [n for k, n in enumerate(left) if k not in (i, j)]
                            after.append(tuple(sorted([*rest, result])))
        if not after:
            return None
        states = after
    return int(words[-1])


WORDS = st.sampled_from(
    ["1", "2", "3", "4", "5", "6", "9", "10", "0", "-1", "100", *OPERATORS, "/", "=", ">"]
)


@given(derivations())
def test_every_derivation_checks(case: tuple[Numbers, list[str]]) -> None:
    numbers, words = case
    assert check(numbers, " ".join(words)) == int(words[-1]) == reference_check(numbers, words)


@given(derivations(), st.data())
def test_any_changed_number_is_refused(case: tuple[Numbers, list[str]], data: st.DataObject) -> None:
    numbers, words = case
    place = data.draw(st.sampled_from([i for i in range(len(words)) if i % 4 != 1]))
    value = data.draw(st.integers(-1, 120).map(str).filter(lambda v: v != words[place]))
    assert check(numbers, " ".join([*words[:place], value, *words[place + 1 :]])) is None


@given(derivations(), st.data())
def test_any_other_spelling_of_a_number_is_refused(
    case: tuple[Numbers, list[str]], data: st.DataObject
) -> None:
    numbers, words = case
    place = data.draw(st.sampled_from([i for i in range(len(words)) if i % 4 != 1]))
    word = words[place]
    wide = "".join(chr(ord("０") + int(digit)) for digit in word)
    spelling = data.draw(
        st.sampled_from([f"0{word}", f"+{word}", f"{word}.0", f"{word}_", hex(int(word)), wide])
    )
    assert check(numbers, " ".join([*words[:place], spelling, *words[place + 1 :]])) is None


@given(derivations(), st.data())
def test_any_changed_operator_is_refused_unless_the_step_stays_true(
    case: tuple[Numbers, list[str]], data: st.DataObject
) -> None:
    numbers, words = case
    place = data.draw(st.sampled_from(range(1, len(words), 4)))
    operator = data.draw(st.sampled_from([*OPERATORS, "/", "//", "**", "%", "x", "−"]))
    changed = [*words[:place], operator, *words[place + 1 :]]
    still_true = words[place - 1] == words[place + 1] == "2" and {operator, words[place]} == {"+", "*"}
    expected = int(words[-1]) if still_true or changed == words else None
    assert check(numbers, " ".join(changed)) == expected


@given(derivations(), st.lists(WORDS, min_size=1, max_size=3), st.data())
def test_any_token_too_many_or_too_few_is_refused(
    case: tuple[Numbers, list[str]], extra: list[str], data: st.DataObject
) -> None:
    numbers, words = case
    place = data.draw(st.integers(0, len(words)))
    assert check(numbers, " ".join([*words[:place], *extra, *words[place:]])) is None
    assert check(numbers, " ".join(words[: -len(extra)])) is None


@given(st.permutations(range(1, 11)))
def test_number_that_was_used_is_refused(order: list[int]) -> None:
    a, b, c, d = order[:4]
    assert check((a, b, c, d), f"{a} + {a} {2 * a}") is None
    if a + b != a + c and a + b not in (a, c, d):
        assert check((a, b, c, d), f"{a} + {b} {a + b} {a} + {c} {a + c}") is None
    assert check((a, a, b, c), f"{a} + {a} {2 * a}") == 2 * a


@given(derivations(), st.integers(1, 10))
def test_number_that_was_not_given_is_refused(case: tuple[Numbers, list[str]], stranger: int) -> None:
    numbers, _ = case
    if stranger not in numbers:
        assert check(numbers, f"{numbers[0]} + {stranger} {numbers[0] + stranger}") is None


@pytest.mark.parametrize(
    ("numbers", "answer"),
    [
        ((10, 10, 1, 1), "10 * 10 100 100 - 1 99"),
        ((3, 3, 5, 1), "3 - 3 0 0 + 5 5"),
        ((2, 5, 9, 1), "2 - 5 -3 9 + -3 6"),
        ((10, 9, 2, 1), "10 * 9 90 90 * 2 180"),
    ],
)
def test_intermediate_out_of_range_is_refused(numbers: Numbers, answer: str) -> None:
    assert check(numbers, answer) is None


@pytest.mark.parametrize(
    "answer", ["", " ", ">", "1", "1 + 2 3 <eos>", "1 + 2 3 " * 4, "__import__('os') + 1 2"]
)
def test_answer_without_a_derivation_is_refused(answer: str) -> None:
    assert check((1, 2, 3, 4), answer) is None


@settings(max_examples=300)
@given(
    st.tuples(*[st.integers(1, 5)] * 4),
    st.lists(st.tuples(WORDS, st.sampled_from(OPERATORS), WORDS, WORDS), min_size=1, max_size=4),
)
def test_checker_agrees_with_the_rules_on_arbitrary_answers(
    numbers: Numbers, steps: list[tuple[str, str, str, str]]
) -> None:
    words = [word for step in steps for word in step]
    assert check(numbers, " ".join(words)) == reference_check(numbers, words)


@given(derivations())
def test_reward_is_paid_for_the_target_alone(case: tuple[Numbers, list[str]]) -> None:
    numbers, words = case
    domain, answer, end = Countdown(), " ".join(words), int(words[-1])
    for target in (end, end % LARGEST + 1):
        task = Task(arithmetic.prompt_of(numbers, target), "")
        assert domain.reward(task, answer) == float(target == end)


def test_answers_that_differ_in_commuting_operands_count_once() -> None:
    assert canonical("4 + 3 7 7 * 2 14") == canonical("3 + 4 7 2 * 7 14")
    assert canonical("7 - 3 4") != canonical("7 - 4 3")
    task = Task("CD 3 4 2 9 14 >", "2-3-4-9")
    answers = ["4 + 3 7 7 * 2 14", "3 + 4 7 2 * 7 14", "3 + 4 7", "nonsense"]
    assert Countdown().diagnose(task, answers) == {"validity": 0.75, "distinct_correct": 1.0}


@pytest.mark.parametrize("module", [arithmetic, environment, language])
def test_no_answer_is_ever_evaluated(module: object) -> None:
    tree = ast.parse(inspect.getsource(module))  # type: ignore[arg-type]
    named = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    named |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not named & {"eval", "exec", "compile", "literal_eval", "__import__"}


# Scores


@pytest.fixture(scope="module")
def domain() -> Countdown:
    torch.set_num_threads(1)
    made = Countdown()
    made.scored_tasks, made.seen_tasks = 144, 32
    return made


@pytest.fixture(scope="module")
def score(domain: Countdown) -> Score:
    return domain.score(domain.starting_policy(), Split.SELECTION, seed=3)


def test_shipped_policy_solves_a_quarter_of_tasks_it_never_saw(score: Score) -> None:
    solved = score.metrics["pass_at_1"]
    assert solved.value >= 0.25
    assert {SPLIT_OF[tuple(map(int, name.split("-")))] for name in solved.cluster} == {Split.SELECTION}


def test_shipped_weights_are_smaller_than_a_megabyte() -> None:
    assert (Countdown().starting_policy() / "model.safetensors").stat().st_size < 1_000_000


def test_score_has_every_metric_of_the_spec_in_range(domain: Countdown, score: Score) -> None:
    low, high = domain.spec.range
    assert score.primary == domain.spec.metric
    for name in domain.spec.metrics:
        metric = score.metrics[name]
        assert low <= metric.value <= high
        assert len(metric.per_task) == len(metric.cluster) == domain.scored_tasks
        assert metric.value == pytest.approx(statistics.fmean(metric.per_task))
        assert metric.standard_error == clustered_standard_error(metric.per_task, metric.cluster)
    rising = [score.metrics[f"pass_at_{k}"].value for k in language.PASS_AT]
    assert rising == sorted(rising)
    assert score.value == pytest.approx(statistics.fmean(rising))
    assert all(guard.metric in score.metrics for guard in domain.spec.guards)


def test_scoring_again_gives_the_same_score_and_another_seed_another(domain: Countdown, score: Score) -> None:
    assert domain.score(domain.starting_policy(), Split.SELECTION, seed=3) == score
    assert domain.score(domain.starting_policy(), Split.SELECTION, seed=4) != score


def test_score_survives_json(score: Score) -> None:
    assert Score.from_json(score.to_json()) == score


def test_worse_policy_scores_worse(domain: Countdown, score: Score, tmp_path: Path) -> None:
    policy = load_policy(domain.starting_policy())
    with torch.no_grad():
        policy.lm_head.weight *= 0.3
    save_policy(policy, tmp_path)
    assert domain.score(tmp_path, Split.SELECTION, seed=3).value < score.value - 0.1


def test_policy_of_another_shape_is_invalid(domain: Countdown, tmp_path: Path) -> None:
    config = PolicyConfig.read(domain.starting_policy())
    save_policy(Policy(PolicyConfig(**{**vars(config), "num_hidden_layers": 3})), tmp_path)
    with pytest.raises(InvalidPolicy, match="another shape"):
        domain.score(tmp_path, Split.SELECTION, seed=0)


def test_policy_with_nan_or_missing_weights_is_invalid(domain: Countdown, tmp_path: Path) -> None:
    with pytest.raises(InvalidPolicy, match="cannot be read"):
        domain.score(tmp_path / "none", Split.SELECTION, seed=0)
    policy = load_policy(domain.starting_policy())
    with torch.no_grad():
        policy.lm_head.weight[0, 0] = float("nan")
    save_policy(policy, tmp_path)
    with pytest.raises(InvalidPolicy, match="NaN"):
        domain.score(tmp_path, Split.SELECTION, seed=0)


def test_standard_error_is_that_of_resampling_whole_clusters() -> None:
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 9, size=80)
    groups = [rng.normal(rng.normal(0.4, 0.2), 0.1, size=size) for size in sizes]
    clusters = [str(index) for index, group in enumerate(groups) for _ in group]
    values = [float(value) for group in groups for value in group]
    sums = np.array([group.sum() for group in groups])
    picks = rng.integers(0, len(groups), size=(20_000, len(groups)))
    means = sums[picks].sum(axis=1) / sizes[picks].sum(axis=1)
    error = clustered_standard_error(values, clusters)
    assert error == pytest.approx(float(means.std()), rel=0.05)
    naive = statistics.stdev(values) / len(values) ** 0.5
    assert error is not None
    assert error > 1.5 * naive


def test_standard_error_of_single_tasks_is_the_ordinary_one() -> None:
    values = [0.0, 1.0, 0.25, 0.5, 1.0]
    ordinary = statistics.stdev(values) / len(values) ** 0.5
    assert clustered_standard_error(values, list("abcde")) == pytest.approx(ordinary)
    assert clustered_standard_error(values, list("aaaaa")) is None


# Finding an environment


@pytest.mark.parametrize("name", ["cuontdown", "count", "Countdown", ""])
def test_unknown_environment_names_the_nearest(name: str) -> None:
    with pytest.raises(InvalidEnvironment, match="The nearest is 'countdown'"):
        registry.load(name)


def test_environment_is_found_by_name_and_by_path() -> None:
    assert registry.load("countdown").spec.name == "countdown"
    quick = registry.load(str(QUICK))
    assert quick.spec.name == "quick-countdown"
    assert quick.spec.budget["updates"] < Countdown.spec.budget["updates"]


USER_DOMAIN = """
from __future__ import annotations
import dataclasses
from typing import ClassVar
from environments.countdown.environment import Countdown

@dataclasses.dataclass
class Options:
    tasks: ClassVar[int] = 3

class Mine(Countdown):
    spec = dataclasses.replace(Countdown.spec, name="mine")
"""


def test_file_may_use_dataclasses_with_postponed_annotations(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(USER_DOMAIN)
    assert registry.load(str(tmp_path / "mine.py")).spec.name == "mine"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "is not a Python file"),
        ("x = 1", "must define one environment class, it defines 0"),
        ("import nowhere_to_be_found", "ModuleNotFoundError"),
        ("def (", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        (USER_DOMAIN.replace("spec = dataclasses", "spec = None and dataclasses"), "Mine has no `spec`"),
        (USER_DOMAIN + "class Second(Mine): pass", "it defines 2"),
        (
            "from environments.language import LanguageEnvironment\nclass Half(LanguageEnvironment): pass",
            "incomplete environment.*reward",
        ),
    ],
)
def test_file_that_defines_no_environment_is_refused_with_the_reason(
    tmp_path: Path, text: str | None, reason: str
) -> None:
    path = tmp_path / "domain.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InvalidEnvironment, match=reason) as caught:
        registry.load(str(path))
    assert str(path) in str(caught.value)


# The frontier


@pytest.mark.parametrize("name", ["countdown", str(QUICK)])
def test_frontier_differs_from_the_recipe_in_two_constants_alone(name: str) -> None:
    domain = registry.load(name)
    template = domain.workspace_template()["recipe.py"].read_text().splitlines()
    constants = {line.split(" = ")[0]: line.split(" = ")[1] for line in template if " = " in line}
    rate, steps = float(constants["LEARNING_RATE"]), int(constants["STEPS"])
    points = domain.frontier()
    expected_points = [(0.5, steps), (0.75, steps), (1.25, steps), (1.25, steps // 2)]
    for point, (factor, length) in zip(points, expected_points, strict=name == "countdown"):
        assert (point.learning_rate, point.steps) == (pytest.approx(rate * factor), length)
    assert len({point.label for point in points}) == len(points)
    for point in points:
        assert set(point.files) == {"recipe.py"} <= set(domain.spec.editable)
        lines = point.files["recipe.py"].splitlines()
        changed = [new for old, new in zip(template, lines, strict=True) if old != new]
        expected = [f"LEARNING_RATE = {point.learning_rate:g}"]
        if point.steps != steps:
            expected.append(f"STEPS = {point.steps}")
        assert changed == expected
        assert float(changed[0].split(" = ")[1]) == pytest.approx(point.learning_rate, rel=1e-5)
        ast.parse(point.files["recipe.py"])


def test_frontier_has_the_template_at_the_winners_own_rate_and_length_once() -> None:
    domain = registry.load("countdown")
    template = domain.workspace_template()["recipe.py"].read_text()

    def winner(rate: str, steps: str) -> dict[str, str]:
        """A winner's files: its recipe is another one in every way."""
        return {"recipe.py": f"ENTROPY_BONUS = 0.01\nLEARNING_RATE = {rate}\nSTEPS = {steps}\n"}

    alone = domain.frontier()
    *others, beside = domain.frontier(winner("1.2345e-4", "77"))
    assert others == list(alone)
    assert (beside.learning_rate, beside.steps) == (1.2345e-4, 77)
    assert beside.label not in {point.label for point in others}
    at = {"LEARNING_RATE = ": "LEARNING_RATE = 0.00012345", "STEPS = ": "STEPS = 77"}
    expected = [
        next((new for name, new in at.items() if line.startswith(name)), line)
        for line in template.splitlines()
    ]
    assert beside.files == {"recipe.py": "\n".join(expected) + "\n"}
    own = {name: str(value) for name, value in ast_constants(template).items()}
    same = [winner(own["LEARNING_RATE"], own["STEPS"])]
    same += [winner(repr(point.learning_rate), str(point.steps)) for point in alone]
    nothing = [{}, {"other.py": ""}, {"recipe.py": "STEPS = 9\n"}, winner("rate()", "9"), winner("1e-4", "x")]
    for files in (*same, *nothing):
        assert domain.frontier(files) == alone


def ast_constants(code: str) -> dict[str, float]:
    """The module's named numbers, read by Python's own grammar."""
    return {
        node.targets[0].id: node.value.value
        for node in ast.parse(code).body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, int | float)
    }


def test_a_rate_that_the_recipe_cannot_tell_apart_is_no_point_of_its_own() -> None:
    domain = registry.load("countdown")
    constants = ast_constants(domain.workspace_template()["recipe.py"].read_text())
    rate, steps = constants["LEARNING_RATE"] * (1 + 1e-9), constants["STEPS"]
    files = {"recipe.py": f"LEARNING_RATE = {rate!r}\nSTEPS = {steps}\n"}
    assert domain.frontier(files) == domain.frontier()
