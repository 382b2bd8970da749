"""What counts as the same code, and as code that no training can tell apart."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from agent.researchers.control_table import CONTROLS
from workspaces.normalised_code import TOLERANCE, indistinguishable, normalised_code

plain_text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=200)
numbers = st.floats(min_value=1e-9, max_value=1e9)
names = st.sampled_from(["loss", "total", "ratio", "kept", "spent"])

TRAIN = """
def train(session, rate):
    {a} = rate * 2
    for {b} in range(10):
        {a} += {b}
    return session.run(lambda step: step + {a}, loss={b})
"""


def test_comments_docstrings_and_formatting_do_not_make_new_code() -> None:
    plain = {"a.py": "def f(x):\n    return x + 1\n"}
    dressed = {"a.py": '"""Module."""\ndef f( x ) :\n    """Docs."""\n\n    return (x+1)  # why\n'}
    assert normalised_code(plain) == normalised_code(dressed)
    assert normalised_code(plain) != normalised_code({"a.py": "def f(x):\n    return x + 2\n"})
    assert normalised_code(plain) != normalised_code({"b.py": plain["a.py"]})
    assert normalised_code({"a.py": "RATE = 3e-5\n"}) == normalised_code({"a.py": "RATE = 0.000_03\n"})


def test_code_that_does_not_parse_counts_by_its_bytes() -> None:
    broken = {"a.py": "def f(:\n"}
    assert normalised_code(broken) == normalised_code(dict(broken))
    assert normalised_code(broken) != normalised_code({"a.py": "def f(: \n"})
    assert normalised_code({"a.py": "x\0"}) != normalised_code({"a.py": "y\0"})
    assert normalised_code({"a.txt": "# a\n"}) != normalised_code({"a.txt": "# b\n"})
    assert normalised_code({"a.py": "(" * 5000}) != normalised_code({"a.py": "(" * 5001})
    assert normalised_code({"a.py": f"A = {'9' * 5000}\n"}) != normalised_code({"a.py": "A = 9\n"})


@given(first=st.dictionaries(plain_text, plain_text), second=st.dictionaries(plain_text, plain_text))
def test_equal_digests_mean_equal_files_where_no_python_is_involved(
    first: dict[str, str], second: dict[str, str]
) -> None:
    first = {path + ".txt": text for path, text in first.items()}
    second = {path + ".txt": text for path, text in second.items()}
    assert (normalised_code(first) == normalised_code(second)) == (first == second)


@given(a=names, b=names, c=names, d=names)
def test_other_names_for_locals_make_no_new_code_unless_two_become_one(
    a: str, b: str, c: str, d: str
) -> None:
    first, second = {"a.py": TRAIN.format(a=a, b=b)}, {"a.py": TRAIN.format(a=c, b=d)}
    assert (normalised_code(first) == normalised_code(second)) == ((a == b) == (c == d))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("def f(x):\n    return x\n", "def f(y):\n    return y\n"),
        ("def f():\n    global x\n    x = 1\n", "def f():\n    global y\n    y = 1\n"),
        ("def f():\n    x = 1\n    return locals()\n", "def f():\n    y = 1\n    return locals()\n"),
        ("def f():\n    class A:\n        x = 1\n", "def f():\n    class A:\n        y = 1\n"),
        ("def f():\n    return [x for x in x]\n", "def f():\n    return [y for y in y]\n"),
        ("def f():\n    import x\n    x = x\n", "def f():\n    import y\n    y = y\n"),
        ("x = 1\n", "y = 1\n"),
        ("def f():\n x = 1\n def g(x):\n  return x\n", "def f():\n y = 1\n def g(x):\n  return x\n"),
    ],
)  # fmt: skip
def test_names_that_others_can_see_or_that_mean_something_else_count(first: str, second: str) -> None:
    assert normalised_code({"a.py": first}) != normalised_code({"a.py": second})


@given(before=numbers, after=numbers)
def test_two_rates_are_one_if_and_only_if_they_lie_within_the_tolerance(before: float, after: float) -> None:
    assume(before != after)
    assume(not (before < 1 and after < 1))
    found = indistinguishable(_code(before), _code(after))
    assert (found is not None) == math.isclose(before, after, rel_tol=TOLERANCE)
    if found is not None:
        assert [(one.path, one.before, one.after) for one in found] == [("recipe.py", before, after)]


@given(before=numbers, after=numbers)
def test_what_can_be_told_apart_can_be_so_both_ways_and_nothing_from_itself(
    before: float, after: float
) -> None:
    one, other = (
        indistinguishable(_code(before), _code(after)),
        indistinguishable(_code(after), _code(before)),
    )
    assert (one is None) == (other is None)
    assert indistinguishable(_code(before), _code(before)) == []


@given(factor=st.floats(0.981, 1.019), text=st.sampled_from(["", "x = 1\n", "def f():\n    return 2\n"]))
def test_a_change_beside_a_number_tells_code_apart(factor: float, text: str) -> None:
    changed = {**_code(3e-5), "recipe.py": _code(3e-5 * factor)["recipe.py"] + text}
    assert (indistinguishable(_code(3e-5), changed) is None) == bool(text)
    assert indistinguishable(_code(3e-5), {**_code(3e-5), "new.py": text}) is None


@pytest.mark.parametrize(
    ("before", "after", "apart"),
    [
        ("STEPS = 300\n", "STEPS = 303\n", False),
        ("STEPS = 300\n", "STEPS = 330\n", True),
        ("STEPS = 300\n", "STEPS = 300.0\n", True),
        ("a = WeightAverage(decay=0.98)\n", "a = WeightAverage(decay=0.99)\n", True),
        ("a = WeightAverage(decay=0.98)\n", "a = WeightAverage(decay=0.9801)\n", False),
        ("a = x[100]\n", "a = x[101]\n", True),
        ("a = x * 0.1\n", "a = x * 0.1001\n", False),
        ("a = 1e999\n", "a = 1.0\n", True),
        ("a = 0.0\n", "a = 1e-9\n", True),
        ("a = 0.1\n", "a = -0.1\n", True),
        ("flag = True\n", "flag = 1\n", True),
    ],
)
def test_only_numbers_that_no_training_tells_apart_are_one(before: str, after: str, apart: bool) -> None:
    assert (indistinguishable({"a.py": before}, {"a.py": after}) is None) is apart


def test_files_of_other_languages_are_held_against_each_other_by_their_decimal_numbers() -> None:
    before = {"a.toml": "rate = 0.100\nlayers = 100\nname = 'v1.0.1'\n"}
    assert indistinguishable(before, {"a.toml": before["a.toml"].replace("0.100", "0.101")})
    assert indistinguishable(before, {"a.toml": before["a.toml"].replace("= 100", "= 101")}) is None
    assert indistinguishable(before, {"a.toml": before["a.toml"].replace("v1.0.1", "v1.0.2")}) is None


@pytest.mark.parametrize("name", sorted(CONTROLS))
def test_no_two_strengths_of_the_catalogue_are_one(name: str) -> None:
    control = CONTROLS[name]
    for first in control.grid:
        for second in control.grid:
            codes = [{"entropy_control.py": f"A = {control.written(value)}\n"} for value in (first, second)]
            assert (indistinguishable(*codes) is None) is (first != second)


def _code(rate: float) -> dict[str, str]:
    return {"recipe.py": f"STEPS = 300\nLEARNING_RATE = {rate!r}\n", "other.py": "A = 1\n"}
