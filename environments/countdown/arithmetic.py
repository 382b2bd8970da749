"""Countdown-4: its tasks, its splits and its exact checker.

A prompt is `CD n1 n2 n3 n4 target >`; an answer is up to three steps `a op b c`, each right and each
using numbers that are still there; the last c is the target. Owns the rules, no policy and no score.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

from environments.base import Split, Task

NUMBERS = range(1, 11)
COUNT = 4
STEPS = COUNT - 1
LARGEST = 99
OPERATORS = ("+", "-", "*")
OPERATOR_WEIGHTS = (0.6, 0.3, 0.1)

Numbers = tuple[int, ...]


def _order_of(numbers: Numbers) -> str:
    return hashlib.sha256(f"countdown:{','.join(map(str, numbers))}".encode()).hexdigest()


def _divide() -> dict[Numbers, Split]:
    """A fifth of all multisets is held out, half of it to select with, half to confirm with."""
    multisets = sorted(combinations_with_replacement(NUMBERS, COUNT), key=_order_of)
    held_out = len(multisets) // 5
    split = dict.fromkeys(multisets, Split.TRAINING)
    for index, multiset in enumerate(multisets[:held_out]):
        split[multiset] = Split.CONFIRMATION if index % 2 else Split.SELECTION
    return split


SPLIT_OF = _divide()
"""The split of every number multiset (sorted tuple): fixed before any policy was trained."""

MULTISETS = {split: tuple(m for m, s in SPLIT_OF.items() if s is split) for split in Split}


@dataclass(frozen=True)
class Derivation:
    """A legal line of arithmetic: its answer text and the number that it ends on."""

    answer: str
    result: int


def apply(a: int, operator: str, b: int) -> int | None:
    """The result of one step, None where it leaves 1..99."""
    if operator == "+":
        result = a + b
    elif operator == "-":
        result = a - b
    elif operator == "*":
        result = a * b
    else:
        return None
    return result if 1 <= result <= LARGEST else None


def derive(numbers: Numbers, steps: int, rng: random.Random) -> Derivation:
    """A random legal derivation of exactly `steps` steps."""
    while True:
        left = list(numbers)
        answer: list[str] = []
        result = None
        for _ in range(steps):
            a = left.pop(rng.randrange(len(left)))
            b = left.pop(rng.randrange(len(left)))
            operator = rng.choices(OPERATORS, OPERATOR_WEIGHTS)[0]
            result = apply(a, operator, b)
            if result is None:
                break
            left.append(result)
            answer += [str(a), operator, str(b), str(result)]
        if result is not None:
            return Derivation(" ".join(answer), result)


def prompt_of(numbers: Numbers, target: int) -> str:
    return f"CD {' '.join(map(str, numbers))} {target} >"


def cluster_of(numbers: Sequence[int]) -> str:
    return "-".join(map(str, sorted(numbers)))


def draw_tasks(split: Split, seed: int, count: int) -> list[Task]:
    """`count` different prompts of three-step targets; multisets of the split in turn, in random order.

    Targets come from random legal derivations, so every task has a solution.
    """
    rng = random.Random(f"countdown-tasks:{split}:{seed}")
    multisets: list[Numbers] = []
    tasks: dict[str, Task] = {}
    while len(tasks) < count:
        if not multisets:
            multisets = rng.sample(MULTISETS[split], len(MULTISETS[split]))
        numbers = list(multisets.pop())
        rng.shuffle(numbers)
        prompt = prompt_of(tuple(numbers), derive(tuple(numbers), STEPS, rng).result)
        tasks.setdefault(prompt, Task(prompt, cluster_of(numbers)))
    return list(tasks.values())


def read_prompt(prompt: str) -> tuple[Numbers, int]:
    """Numbers and target of a prompt; raises ValueError for text that is none."""
    words = prompt.split()
    if len(words) != COUNT + 3 or words[0] != "CD" or words[-1] != ">":
        raise ValueError(f"not a countdown prompt: {prompt!r}")
    values = [int(word) for word in words[1:-1]]
    return tuple(values[:-1]), values[-1]


def check(numbers: Numbers, answer: str) -> int | None:
    """The number that a legal answer ends on; None for an answer that breaks a rule.

    Nothing is evaluated: words are compared with what exact arithmetic would have written.
    """
    words = answer.split()
    if not words or len(words) % 4 or len(words) > 4 * STEPS:
        return None
    left = [str(number) for number in numbers]
    result = None
    for start in range(0, len(words), 4):
        a, operator, b, claimed = words[start : start + 4]
        for operand in (a, b):
            if operand not in left:
                return None
            left.remove(operand)
        result = apply(int(a), operator, int(b))
        if result is None or str(result) != claimed:
            return None
        left.append(claimed)
    return result


def canonical(answer: str) -> str:
    """One spelling for answers that differ only in the order of commuting operands."""
    words = answer.split()
    steps = []
    for start in range(0, len(words), 4):
        a, operator, b, result = words[start : start + 4]
        if operator in "+*" and int(b) < int(a):
            a, b = b, a
        steps.append(f"{a} {operator} {b} {result}")
    return " ".join(steps)
