"""Questions and scores out of the reasoning-gym library: which of its datasets work, and how safely.

Owns the door to the library: names, cells of the splits, bounded scoring. No policy and no metric.
"""

from __future__ import annotations

import copy
import difflib
import hashlib
import math
import random
import re
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

from environments.base import InvalidEnvironment, Split, Task

LIBRARY = "reasoning-gym"
RUNS_ANSWERS = (
    "binary_matrix",
    "countdown",
    "intermediate_integration",
    "n_queens",
    "polynomial_multiplication",
    "puzzle24",
    "simple_integration",
    "spiral_matrix",
    "string_insertion",
)
"""Datasets whose `score_answer` hands the answer to eval: a policy could run code outside the sandbox."""
CANNOT_WORK = {
    "boxnet": "it gives no answer to score",
    "composite": "it is made of other datasets, which have to be chosen: name one of them",
    **dict.fromkeys(
        ("futoshiki", "knight_swap", "sokoban", "zebra_puzzles"),
        "a question takes the library so long to make that an attempt would wait for minutes",
    ),
    **dict.fromkeys(
        ("codeio", "list_functions"), "the library makes other questions of the same seed each time"
    ),
    **dict.fromkeys(RUNS_ANSWERS, "its scorer runs answers as Python code, outside every sandbox"),
}
EXACT = ("chain_sum", "products", "spell_backward")
"""Datasets with one right answer whose scorers give part of a point all the same: trained on it, a policy
gathers parts and gets fewer answers right."""
SHARES = {Split.SELECTION: 0.2, Split.CONFIRMATION: 0.2}
REWARD_SECONDS = 1.0
DRAWS_FOR_ONE = 200
SORTED_NUMBERS = 8
ANSWERS_LOOKED_AT = 32
TAGGED = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
ENDLESS = re.compile(r"\s*[+-]?[\d._]+[eE][+-]?\d{4,}\s*")


@dataclass(frozen=True)
class Question(Task):
    """A task and the library's entry, which its scorer needs."""

    entry: Mapping[str, Any] = field(compare=False, repr=False)


class Dataset:
    """One procedural dataset, with the library's own settings for it."""

    def __init__(self, name: str) -> None:
        """Raises InvalidEnvironment: the library is missing, has no such dataset, or it cannot work."""
        if find_spec("reasoning_gym") is None:
            raise InvalidEnvironment(
                f"reasoning_gym:{name} needs the {LIBRARY} package: pip install 'szilard[reasoning-gym]'."
            )
        import reasoning_gym
        from reasoning_gym.dataset import ProceduralDataset
        from reasoning_gym.factory import DATASETS

        if name in CANNOT_WORK:
            raise InvalidEnvironment(f"reasoning_gym:{name} cannot be researched: {CANNOT_WORK[name]}.")
        if name not in DATASETS:
            nearest = difflib.get_close_matches(name, sorted(set(DATASETS) - set(CANNOT_WORK)), 1, 0.0)
            raise InvalidEnvironment(
                f"{LIBRARY} {version(LIBRARY)} has no dataset {name!r}. The nearest is "
                f"reasoning_gym:{nearest[0]}."
            )
        self.name = name
        self.version = version(LIBRARY)
        self._create = reasoning_gym.create_dataset
        self._made = self._create(name, seed=0)
        own_scorer = DATASETS[name][0].score_answer is not ProceduralDataset.score_answer
        self.graded = own_scorer and name not in EXACT
        self._reseeds: bool | None = None

    def tasks(self, split: Split, seed: int, count: int) -> Sequence[Question]:
        """`count` questions of one split, a function of the seed.

        Raises:
            InvalidEnvironment: the dataset has hardly any question of this split.
        """
        rng = random.Random(f"{self.name} {split} {seed}")
        found: list[Question] = []
        for drawn in range(DRAWS_FOR_ONE * count):
            if drawn % 500 == 0:
                source = self._seeded(rng.randrange(2**31))
            try:
                entry = source[drawn % 500]
            except Exception:  # noqa: BLE001 - the library cannot make every question that it draws
                continue
            cell = cell_of(entry["question"])
            if split_of(cell) is split:
                found.append(Question(entry["question"], cell, entry))
            if len(found) == count:
                return found
        raise InvalidEnvironment(
            f"reasoning_gym:{self.name} gave {len(found)} {split} questions in {DRAWS_FOR_ONE * count} "
            "draws: it has too few different ones to hold some out."
        )

    def longest_answer(self) -> int:
        """Characters of the longest of a few answers; an answer has at most as many tokens."""
        return max(len(str(self._made[index]["answer"] or "")) for index in range(ANSWERS_LOOKED_AT))

    def reward(self, task: Task, completion: str) -> float:
        """What the library gives for the answer, 0.0 to 1.0; 1.0 or 0.0 where its answers are exact.

        The answer is what stands in the last <answer>...</answer>, or the whole completion without.
        """
        if not isinstance(task, Question):
            raise TypeError(f"{task!r} is no question of {LIBRARY}")
        tagged = TAGGED.findall(completion)
        answer = (tagged[-1] if tagged else completion).strip()
        if ENDLESS.fullmatch(answer):
            return 0.0
        try:
            with at_most(REWARD_SECONDS):
                given = float(self._made.score_answer(answer, task.entry))
        except Exception:  # noqa: BLE001 - the library parses whatever a policy wrote, and may fail at it
            return 0.0
        if not self.graded:
            return float(given >= 1.0)
        return min(1.0, max(0.0, given)) if math.isfinite(given) else 0.0

    def _seeded(self, seed: int) -> Any:
        """The dataset at another seed: a copy where the library reads the seed late, else a new one."""
        if self._reseeds is None:
            self._reseeds = self._copied(seed)[0] == self._create(self.name, seed=seed)[0]
        return self._copied(seed) if self._reseeds else self._create(self.name, seed=seed)

    def _copied(self, seed: int) -> Any:
        copied = copy.copy(self._made)
        copied.seed = seed
        return copied


def cell_of(question: str) -> str:
    """12 hexadecimal digits; questions with the same few numbers in another order share them."""
    numbers = re.findall(r"\d+", question)
    text = " ".join(question.split())
    if len(numbers) <= SORTED_NUMBERS:
        text = f"{re.sub(r'[0-9]+', '#', text)} {sorted(numbers)}"
    return hashlib.sha256(f"reasoning_gym {text}".encode()).hexdigest()[:12]


def split_of(cell: str) -> Split:
    """The split of a cell: fixed by its hash before any policy was trained."""
    height = int(cell, 16) / 16**12
    for split, share in SHARES.items():
        if height < share:
            return split
        height -= share
    return Split.TRAINING


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raises TimeoutError inside once they have passed; in a thread beside the main one it cannot."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_: Any) -> None:
        raise TimeoutError(f"took longer than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    remaining, interval = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, remaining, interval)
        signal.signal(signal.SIGALRM, before)
