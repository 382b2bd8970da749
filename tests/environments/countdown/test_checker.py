"""The checker agrees with the rules on whatever a policy may answer."""

from __future__ import annotations

import ast
import inspect
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from environments import language
from environments.base import Task
from environments.countdown import arithmetic, environment
from environments.countdown.arithmetic import LARGEST, OPERATORS, Numbers, canonical, check, derive
from environments.countdown.environment import Countdown


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
