"""What the reasoning_gym domains promise: disjoint splits, honest scores, and no answer that is ever run."""

from __future__ import annotations

import inspect
import re
import sys
import time

import pytest

from environments import registry
from environments.base import InvalidEnvironment, Split
from environments.reasoning_gym.datasets import CANNOT_WORK, Dataset, Question, cell_of, split_of
from environments.reasoning_gym.environment import LONGEST_ANSWERS

pytest.importorskip("reasoning_gym", reason="needs pip install 'szilard[reasoning-gym]'")

SMALL = ("gcd", "coin_flip", "count_bits", "chain_sum", "spell_backward", "ab", "maze", "tower_of_hanoi")


def asked(question: str, answer: str) -> Question:
    return Question(question, cell_of(question), {"question": question, "answer": answer, "metadata": {}})


@pytest.mark.parametrize("name", SMALL)
def test_no_question_of_one_split_is_in_another(name: str) -> None:
    """Seeds are no guard: small generators ask the same again and again."""
    dataset = Dataset(name)
    cells = {split: {t.cluster for t in dataset.tasks(split, 0, 100)} for split in Split}
    questions = {split: {t.prompt for t in dataset.tasks(split, 1, 100)} for split in Split}
    for one in Split:
        for other in Split:
            if one is not other:
                assert not cells[one] & cells[other]
                assert not questions[one] & questions[other]


def test_the_order_of_a_few_numbers_makes_no_new_question() -> None:
    assert cell_of("The gcd of 12, 18.") == cell_of("The gcd of 18, 12.")
    assert cell_of("The gcd of 12, 18.") != cell_of("The gcd of 12, 19.")
    assert cell_of("12 - 3") != cell_of("12 + 3")


def test_shares_of_the_splits_are_as_written() -> None:
    drawn = [split_of(cell_of(f"Spell {number} apples")) for number in range(4000)]
    shares = {split: drawn.count(split) / len(drawn) for split in Split}
    assert shares[Split.SELECTION] == pytest.approx(0.2, abs=0.02)
    assert shares[Split.CONFIRMATION] == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize("name", [*SMALL, "survo", "gsm_symbolic"])
def test_tasks_are_a_function_of_the_seed(name: str) -> None:
    """survo and gsm_symbolic read their seed when they are made, the others later."""
    prompts = [[task.prompt for task in Dataset(name).tasks(Split.SELECTION, seed, 20)] for seed in (1, 1, 2)]
    assert prompts[0] == prompts[1]
    assert prompts[0] != prompts[2]


@pytest.mark.parametrize("name", [*LONGEST_ANSWERS, "chain_sum", "basic_arithmetic", "prime_factorization"])
def test_the_librarys_own_answer_earns_all_and_nonsense_nothing(name: str) -> None:
    dataset = Dataset(name)
    for task in dataset.tasks(Split.SELECTION, 0, 20):
        right = task.entry["answer"]
        assert dataset.reward(task, f" {right}\n") == 1.0
        assert dataset.reward(task, f"I think so. <answer>{right}</answer>") == 1.0
        assert dataset.reward(task, "xyz ?!") < 0.2
        assert dataset.reward(task, "") < 0.2


def test_a_right_number_among_others_earns_nothing_where_answers_are_exact() -> None:
    dataset = Dataset("gcd")
    assert dataset.reward(asked("?", "12"), "12") == 1.0
    assert dataset.reward(asked("?", "12"), "1 2 3 12 5") == 0.0


def test_an_answer_that_takes_for_ever_to_read_earns_nothing_at_once() -> None:
    dataset = Dataset("coin_flip")
    task = dataset.tasks(Split.TRAINING, 0, 1)[0]
    started = time.monotonic()
    for completion in ("1e999999999", "-1.5E+99999999", "9" * 100_000, "(" * 100_000):
        assert dataset.reward(task, completion) == 0.0
    assert time.monotonic() - started < 5


def test_no_dataset_whose_scorer_runs_answers_can_be_opened() -> None:
    """A trained policy's text would be code outside the sandbox: looked for in the library's source."""
    from reasoning_gym.dataset import ProceduralDataset
    from reasoning_gym.factory import DATASETS

    for name, (kind, _) in DATASETS.items():
        if kind.score_answer is ProceduralDataset.score_answer:
            continue
        source = inspect.getsource(kind.score_answer)
        if re.search(r"\b(eval|exec|parse_expr|sympify)\((?!entry)", source):
            assert name in CANNOT_WORK, name


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("reasoning_gym:gdc", "no dataset 'gdc'. The nearest is reasoning_gym:gcd"),
        ("reasoning_gym:composite", "cannot be researched: it is made of other datasets"),
        ("reasoning_gym:boxnet", "cannot be researched: it gives no answer to score"),
        ("reasoning_gym:puzzle24", "cannot be researched: its scorer runs answers"),
        ("reasoning_gym", "There is no environment 'reasoning_gym'. The nearest is 'reasoning_gym:DATASET'"),
    ],
)
def test_a_dataset_that_cannot_be_had_is_refused_with_one_sentence(name: str, said: str) -> None:
    with pytest.raises(InvalidEnvironment, match=re.escape(said)):
        registry.load(name)


def test_without_the_library_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "reasoning_gym", None)
    with pytest.raises(InvalidEnvironment, match=re.escape("pip install 'szilard[reasoning-gym]'")):
        registry.load("reasoning_gym:gcd")


def test_a_dataset_without_a_policy_asks_for_one() -> None:
    with pytest.raises(InvalidEnvironment, match="--policy FOLDER"):
        registry.load("reasoning_gym:maze").starting_policy()
