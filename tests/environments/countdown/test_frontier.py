"""The frontier's points differ from the recipe in learning rate and length alone."""

from __future__ import annotations

import ast

import pytest

from environments import registry
from tests.end_to_end.a_short_run import ENVIRONMENT as QUICK


@pytest.mark.parametrize("name", ["countdown", "melody", str(QUICK)])
def test_frontier_differs_from_the_recipe_in_two_constants_alone(name: str) -> None:
    domain = registry.load(name)
    template = domain.workspace_template()["recipe.py"].read_text().splitlines()
    constants = {line.split(" = ")[0]: line.split(" = ")[1] for line in template if " = " in line}
    rate, steps = float(constants["LEARNING_RATE"]), int(constants["STEPS"])
    points = domain.frontier()
    expected_points = [(0.5, steps), (0.75, steps), (1.25, steps), (1.25, steps // 2)]
    for point, (factor, length) in zip(points, expected_points, strict=name != str(QUICK)):
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
