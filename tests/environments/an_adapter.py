"""A good adapter of a few lines, and what is asked of the checks about it with one thing changed."""

from __future__ import annotations

from pathlib import Path

from environments.checks.base import Finding
from environments.conformance import findings

GOOD = """
import random

from environments.base import Guard, Split, Task, split_of
from environments.countdown.arithmetic import check, read_prompt
from environments.language import LanguageEnvironment, language_spec


class Mine(LanguageEnvironment):
    contract = 1
    recipe = {"STEPS": 12, "LEARNING_RATE": 1e-3}
    spec = language_spec("mine", "End on a multiple of ten", recipe=recipe)
    scored_tasks = 32
    scored_samples = 16
    seen_tasks = 8

    def tasks(self, split, seed, count):
        rng, found = random.Random(f"{split}:{seed}"), {}
        while len(found) < count:
            numbers = [rng.randint(1, 10) for _ in range(4)]
            cluster = "-".join(map(str, sorted(numbers)))
            if split_of(cluster) is split:
                prompt = f"CD {' '.join(map(str, numbers))} {rng.randint(1, 99)} >"
                found[prompt] = Task(prompt, cluster)
        return list(found.values())

    def reward(self, task, completion):
        numbers, _ = read_prompt(task.prompt)
        result = check(numbers, completion)
        return float(result is not None and result % 10 == 0)
"""


def written(folder: Path, *changes: tuple[str, str], added: str = "", before: str = "") -> Path:
    """The good adapter with these texts replaced, `added` in its class and `before` above everything."""
    text = GOOD
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    path = folder / "mine.py"
    path.write_text(before + text + added)
    return path


def found_in(path: Path, until: str | None = None) -> dict[str, Finding]:
    """What the checks find, in this process: torch is imported once for all. None after `until` is made."""
    found = dict[str, Finding]()
    for finding in findings(str(path), "quick", shown=lambda file: False, begin=lambda check, seconds: None):
        found[finding.check] = finding
        if finding.check == until:
            break
    return found


def line_with(path: Path, text: str) -> str:
    """`/folder/mine.py:12`: where a text stands in a file."""
    lines = path.read_text().splitlines()
    return f"{path}:{next(number for number, line in enumerate(lines, 1) if text in line)}"
