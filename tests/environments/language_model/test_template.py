"""The template: what it spends, what it refuses, and what its controls change."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from agent.assess.regime import levers_of
from agent.control_check import ControlRefused
from agent.own_controls import names_of
from agent.researchers.configuration import Configuration, edits, neighbours, read
from agent.researchers.control_table import table_of
from environments.base import Split, matches
from environments.language_model.environment import TOKENS, UPDATES, LanguageModel
from tests.environments.language_model.a_pretraining import SHORT, pretrain, trace_of
from workspaces.edits import apply_edits

FILES = {path: file.read_text() for path, file in LanguageModel().workspace_template().items()}
EDITABLE = {path: text for path, text in FILES.items() if matches(path, LanguageModel.spec.editable)}

GATE = "    if not session.affords(ROWS * LENGTH):\n        break\n"
LOSS = "    loss = -logprobs.mean()"


def constant(name: str) -> float:
    found = [line for line in FILES["train.py"].splitlines() if line.startswith(f"{name} = ")]
    return float(ast.literal_eval(found[0].split(" = ")[1]))


def with_term(written: str, module: str) -> dict[str, str]:
    control = FILES["entropy_control.py"].replace("TERMS = ()", f"TERMS = ({written},)")
    name = written.partition("(")[0]
    return {"entropy_control.py": f"from controls.{module} import {name}\n{control}"}


def test_budget_is_what_the_template_spends() -> None:
    assert constant("STEPS") * constant("ROWS") * constant("LENGTH") == TOKENS
    assert constant("STEPS") == UPDATES


def test_a_training_is_a_function_of_its_seed_and_spends_what_it_reads(tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        done = pretrain(tmp_path / name, seed=seed)
        assert done.returncode == 0, done.stderr
    one, again, other = (
        (tmp_path / name / "out" / "policy" / "model.safetensors").read_bytes()
        for name in ("one", "again", "other")
    )
    assert one == again != other
    rows = trace_of(tmp_path / "one")
    assert [TOKENS - row["tokens_left"] for row in rows] == [4 * 32 * step for step in (1, 2, 3)]
    assert all(0 < row["entropy_mean"] < 4 and row["reward_mean"] < 0 for row in rows)


@pytest.mark.parametrize(
    ("budget", "line", "told"),
    [
        ({"tokens": 300, "updates": 9}, {GATE: ""}, "tokens are"),
        ({"tokens": 9000, "updates": 2}, {GATE: ""}, "updates are"),
        ({"tokens": 200, "updates": 9}, {LOSS: f"{LOSS} + 0 * policy(inputs).sum()"}, "tokens are"),
    ],
    ids=["tokens", "updates", "the same text twice"],
)
def test_going_over_the_budget_ends_the_attempt(
    tmp_path: Path, budget: dict[str, int], line: dict[str, str], told: str
) -> None:
    done = pretrain(tmp_path, {**SHORT, **line}, budget=budget)
    assert done.returncode != 0
    assert f"{told} used up" in done.stderr
    assert not (tmp_path / "out" / "policy").exists()


def test_within_the_budget_the_template_stops_by_itself(tmp_path: Path) -> None:
    assert pretrain(tmp_path, budget={"tokens": 300, "updates": 9}).returncode == 0
    assert len(trace_of(tmp_path)) == 2


def test_a_policy_larger_than_what_is_scored_is_refused_before_training(tmp_path: Path) -> None:
    done = pretrain(tmp_path, {"WIDTH = 64": "WIDTH = 512"})
    assert "parameters: at most 250,000 are scored" in done.stderr
    assert trace_of(tmp_path) == []


def test_an_entropy_bonus_and_an_average_change_the_training_and_are_told_of(tmp_path: Path) -> None:
    plain, paid, averaged = (tmp_path / name for name in ("plain", "paid", "averaged"))
    average = FILES["entropy_control.py"].replace("last_iterate", "weight_average")
    average = average.replace("LastIterate", "WeightAverage")
    assert pretrain(plain).returncode == 0
    assert pretrain(paid, files=with_term("EntropyBonus(coefficient=0.5)", "entropy_bonus")).returncode == 0
    assert pretrain(averaged, files={"entropy_control.py": average}).returncode == 0
    weights = {
        (root / "out" / "policy" / "model.safetensors").read_bytes() for root in (plain, paid, averaged)
    }
    assert len(weights) == 3
    assert trace_of(paid)[0]["touched"] == {"EntropyBonus": 4 * 32}


def test_the_catalogue_reads_the_template_and_knows_what_it_holds() -> None:
    table = table_of(EDITABLE)
    assert set(table) == {"EntropyBonus", "WeightAverage"}
    assert read(EDITABLE, table) == Configuration((), constant("LEARNING_RATE"), int(constant("STEPS")))


def test_whatever_the_catalogue_writes_it_reads_again_and_python_too() -> None:
    table = table_of(EDITABLE)
    baseline = read(EDITABLE, table)
    assert baseline is not None
    known = {name: set(control.grid) for name, control in table.items()}
    for target in list(neighbours(baseline, baseline, known, set(table), table))[::7]:
        changed = edits(EDITABLE, target, EDITABLE, table)
        after = apply_edits(EDITABLE, changed, editable=LanguageModel.spec.editable, protected=())
        assert read(after, table) == target
        assert "LOSS" not in after["entropy_control.py"]
        assert "SAMPLING" not in after["entropy_control.py"]
        ast.parse(after["entropy_control.py"])
        spoiled = {**EDITABLE, "entropy_control.py": "AVERAGE = mine()\nTERMS = ()\n"}
        mended = apply_edits(
            spoiled, edits(spoiled, target, EDITABLE, table), editable=("*.py",), protected=()
        )
        assert read(mended, table) == target


@pytest.mark.parametrize(("kind", "taken"), [("term", True), ("average", True), ("loss", False)])
def test_a_control_of_a_user_s_own_is_taken_where_the_template_has_a_place_for_it(
    tmp_path: Path, kind: str, taken: bool
) -> None:
    path = tmp_path / "mine.py"
    path.write_text(f'class Mine:\n    rate: float = 0.5\n    kind: ClassVar[str] = "{kind}"\n')
    if taken:
        assert names_of([path], LanguageModel()) == ("mine",)
    else:
        with pytest.raises(ControlRefused, match="has no place for a loss"):
            names_of([path], LanguageModel())


def test_both_levers_of_the_entropy_regime_are_there() -> None:
    levers = levers_of(FILES)
    assert [len(variants) for variants in levers.values()] == [4, 2]
    assert {path for variant in levers["learning rate"] for path in variant.files} == {"train.py"}


def test_the_frontier_moves_learning_rate_and_length_of_the_training_file() -> None:
    domain = LanguageModel()
    points = domain.frontier({"train.py": FILES["train.py"].replace("STEPS = 192", "STEPS = 150")})
    assert [point.steps for point in points] == [192, 192, 192, 96, 150]
    for point in points:
        changed = {*point.files["train.py"].splitlines()} - {*FILES["train.py"].splitlines()}
        assert {line.split(" = ")[0] for line in changed} <= {"LEARNING_RATE", "STEPS"}


@pytest.mark.slow
def test_a_training_learns_the_text_beyond_the_frequencies_of_bytes(
    domain: LanguageModel, tmp_path: Path
) -> None:
    assert pretrain(tmp_path, {}).returncode == 0
    score = domain.score(tmp_path / "out" / "policy", Split.SELECTION, seed=3)
    assert 0.5 < score.value < 2.5
    assert score.metrics["next_byte_accuracy"].value > 0.5
    assert trace_of(tmp_path)[-1]["entropy_mean"] < trace_of(tmp_path)[0]["entropy_mean"] - 1
