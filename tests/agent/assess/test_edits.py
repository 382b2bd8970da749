"""Planted edits: what is divided by ten, and an edit that changes nothing."""

from __future__ import annotations

from agent.assess.edits import divided, editable_files, numbers_of, of_nothing
from agent.assess.regime import levers_of
from environments.registry import load
from workspaces.edits import matches

RECIPE = "LEARNING_RATE = 3e-4\nSTEPS = 150\nMINIBATCHES = 2\nNAME = 'x'\n\ndef f(a=1):\n    depth = 40\n"


def test_constants_are_divided_by_ten_and_small_whole_numbers_left_alone() -> None:
    numbers = numbers_of({"recipe.py": RECIPE})
    assert [number.name for number in numbers] == ["LEARNING_RATE", "STEPS"]
    edit = divided({"recipe.py": RECIPE}, numbers)
    assert "LEARNING_RATE = 3e-05\nSTEPS = 15\nMINIBATCHES = 2\n" in edit.files["recipe.py"]
    compile(edit.files["recipe.py"], "recipe.py", "exec")


def test_where_no_constant_is_named_by_convention_any_number_by_name_is() -> None:
    assert [number.name for number in numbers_of({"a.c": "int n = 3;\nsize = 4096;\n"})] == ["size"]


def test_countdown_has_five_numbers_and_the_recipe_comes_first() -> None:
    environment = load("countdown")
    template = {name: path.read_text() for name, path in environment.workspace_template().items()}
    files = editable_files(template, environment.spec.editable)
    assert [number.name for number in numbers_of(files)[:5]] == [
        "LEARNING_RATE",
        "STEPS",
        "PROMPTS",
        "TEMPERATURE",
        "LARGEST_GRADIENT",
    ]
    assert not any(matches(path, environment.spec.protected) for path in files)


def test_an_edit_of_nothing_tries_to_write_what_is_protected() -> None:
    edit = of_nothing({"recipe.py": RECIPE}, ["train.py"])
    assert edit is not None
    assert edit.files["recipe.py"].startswith(RECIPE.rstrip("\n"))
    assert "'train.py'" in edit.files["recipe.py"]
    assert of_nothing({"program.c": "int x = 20;\n"}, []) is None


def test_a_learning_rate_that_is_no_number_is_no_lever() -> None:
    files = {"entropy_control.py": "TERMS = ()\n", "controls/entropy_bonus.py": ""}
    assert set(levers_of({**files, "recipe.py": "LEARNING_RATE = 3e-4\n"})) == {
        "entropy pressure",
        "learning rate",
    }
    assert levers_of({**files, "recipe.py": "LEARNING_RATE = BASE\n"}) == {}
