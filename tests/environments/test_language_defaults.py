"""What a language domain need not say is what the shipped template says."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from environments.base import InvalidEnvironment, Split, Task, split_of
from environments.countdown.arithmetic import draw_tasks
from environments.countdown.environment import Countdown
from environments.language import LanguageEnvironment, language_spec
from environments.language_defaults import RECIPE, USUAL, recipe_with


class Half(LanguageEnvironment):
    """Every completion earns a half."""

    spec = language_spec("half", "Write anything", metric="mean_reward")
    scored_tasks = 4
    scored_samples = 16
    seen_tasks = 2

    def tasks(self, split: Split, seed: int, count: int) -> Sequence[Task]:
        return draw_tasks(split, seed, count)

    def reward(self, task: Task, completion: str) -> float:
        return 0.5


def test_the_constants_that_decide_the_budget_are_those_of_the_recipe() -> None:
    shipped = {name: re.search(rf"^{name} = (\d+)$", RECIPE.read_text(), re.M) for name in USUAL}
    assert {name: int(found[1]) for name, found in shipped.items() if found} == USUAL


def test_a_spec_of_two_words_has_the_budget_and_the_files_of_countdown() -> None:
    spec = language_spec("mine", "Anything")
    for name in ("budget", "metric", "metrics", "guards", "editable", "protected", "train_command", "seeds"):
        assert getattr(spec, name) == getattr(Countdown.spec, name), name


def test_the_budget_follows_the_recipe() -> None:
    spec = language_spec("mine", "Anything", max_tokens=20, recipe={"STEPS": 10, "SAMPLES": 4})
    assert spec.budget == {"tokens": 10 * 16 * 4 * 20, "updates": 20}


def test_a_recipe_differs_in_what_was_named_and_in_nothing_else() -> None:
    changed = recipe_with({"STEPS": 7, "LEARNING_RATE": 1e-3}).read_text().splitlines()
    shipped = RECIPE.read_text().splitlines()
    differing = [new for old, new in zip(shipped, changed, strict=True) if old != new]
    assert differing == ["LEARNING_RATE = 0.001", "STEPS = 7"]


def test_a_graded_reward_is_scored_by_its_mean() -> None:
    domain = Half()
    score = domain.score(domain.starting_policy(), Split.SELECTION, 1)
    assert score.value == pytest.approx(0.5)
    assert score.metrics["pass_at_1"].value == 0.0


def test_a_policy_is_named_by_its_domain_or_lies_beside_the_file(tmp_path: Path) -> None:
    domain = Half()
    assert domain.starting_policy() == Countdown().starting_policy()
    domain.policy = tmp_path
    with pytest.raises(InvalidEnvironment, match=r"There is no policy .*: countdown"):
        domain.starting_policy()
    (tmp_path / "config.json").write_text("{}")
    assert domain.starting_policy() == tmp_path


def test_of_ten_clusters_eight_train_and_one_each_selects_and_confirms() -> None:
    counts = Counter(split_of(f"cluster {number}") for number in range(5000))
    assert counts[Split.TRAINING] / 5000 == pytest.approx(0.8, abs=0.02)
    assert counts[Split.SELECTION] / 5000 == pytest.approx(0.1, abs=0.02)
