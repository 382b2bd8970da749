"""Checks of the tasks: what they are, that a seed decides them, and that splits share nothing."""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from environments.base import Environment, Split
from environments.checks.base import SECONDS, Adapter, Nonconforming
from environments.checks.chance import unchanged_chance
from environments.language import LanguageEnvironment

COUNT = 32
DRAWS = 8
SEEDED = "Draw from random.Random(f'{split}:{seed}'), made anew in each call, and from nothing else"


def tasks_are_tasks(adapter: Adapter) -> str:
    for split in Split:
        for task in adapter.language.drawn(split, 1, COUNT):
            if not isinstance(task.prompt, str) or not task.prompt.strip():
                raise adapter.fault(
                    "tasks",
                    f"returned the prompt {task.prompt!r}",
                    "Write a text that asks something",
                )
            if not isinstance(task.cluster, str) or not task.cluster:
                raise adapter.fault(
                    "tasks",
                    f"returned the cluster {task.cluster!r}",
                    "Name what the task belongs to: tasks that teach each other share a cluster",
                )
            with suppress(TypeError):
                hash(task)
                continue
            raise Nonconforming(
                f"{adapter.at('tasks')}: a task cannot be hashed, so it can be changed",
                "Write @dataclass(frozen=True) over it, and only fields that cannot change",
            )
    return f"{COUNT} of each split"


def as_many_as_asked(adapter: Adapter) -> str:
    for split, count in itertools.product(Split, (1, 7, COUNT)):
        given = len(adapter.language.drawn(split, 1, count))
        if given != count:
            raise adapter.fault(
                "tasks",
                f"was asked for {count} {split} tasks and returned {given}",
                "Return as many as `count` says",
            )
    return "as many as asked"


def prompts_differ(adapter: Adapter) -> str:
    """A few that come twice are worth a warning: they share a cluster, and errors are by cluster."""
    for split in Split:
        tasks = adapter.language.drawn(split, 1, 4 * COUNT)
        prompts = [task.prompt for task in tasks]
        double = next((prompt for prompt in prompts if prompts.count(prompt) > 1), None)
        if double is not None:
            raise adapter.fault(
                "tasks",
                f"returned the {split} prompt {double!r} {prompts.count(double)} times in one draw",
                "Draw until there are `count` different prompts",
                warning=2 * len(set(prompts)) > len(prompts),
            )
    return f"{4 * COUNT} different prompts a split"


def seed_repeats_tasks(adapter: Adapter) -> str:
    for split in Split:
        first, second = (list(adapter.language.drawn(split, 5, COUNT)) for _ in range(2))
        if first != second:
            raise adapter.fault(
                "tasks", f"gave other {split} tasks when it was called again with seed 5", SEEDED
            )
    return "the same tasks twice"


def seed_chooses_tasks(adapter: Adapter) -> str:
    for split in Split:
        first, second = (list(adapter.language.drawn(split, seed, COUNT)) for seed in (5, 6))
        if first == second:
            raise adapter.fault(
                "tasks", f"gave the same {split} tasks for seeds 5 and 6: the seed is not used", SEEDED
            )
    return "another seed, other tasks"


def tasks_leave_chance_alone(adapter: Adapter) -> str:
    return unchanged_chance(adapter, "tasks", lambda: adapter.language.drawn(Split.TRAINING, 5, COUNT))


def splits_are_apart(adapter: Adapter) -> str:
    drawn = {
        split: [task for seed in range(DRAWS) for task in adapter.language.drawn(split, seed, 4 * COUNT)]
        for split in Split
    }
    for one, other in itertools.combinations(Split, 2):
        for what in ("cluster", "prompt"):
            shared = {getattr(t, what) for t in drawn[one]} & {getattr(t, what) for t in drawn[other]}
            if shared:
                raise adapter.fault(
                    "tasks",
                    f"lets {one} and {other} share {len(shared)} {what}s, such as {min(shared)!r}",
                    "Keep a cluster in one split: take it only where split_of(cluster) is split",
                )
    clusters = {split: len({task.cluster for task in tasks}) for split, tasks in drawn.items()}
    return ", ".join(f"{count} {split} clusters" for split, count in clusters.items())


def enough_to_score(adapter: Adapter) -> str:
    domain = adapter.language
    for split in (Split.SELECTION, Split.CONFIRMATION):
        given = len({task.prompt for task in domain.drawn(split, 3, domain.scored_tasks)})
        if given < domain.scored_tasks:
            raise adapter.fault(
                "tasks",
                f"has {given} different {split} tasks, and {domain.scored_tasks} are scored",
                f"Make more of them, or write scored_tasks = {max(1, given)} in the class",
                warning=2 * given > domain.scored_tasks,
            )
    return f"{domain.scored_tasks} tasks of each held-out split"


def prompts_can_be_read(adapter: Adapter) -> str:
    """The starting policy's tokenizer must know every part of a prompt, as it normalises it."""
    from tokenizers import Tokenizer

    folder = adapter.language.starting_policy()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    normaliser, longest = tokenizer.normalizer, 0
    for split in Split:
        for task in adapter.language.drawn(split, 1, COUNT):
            ids = tokenizer.encode(task.prompt).ids
            read = tokenizer.decode(ids, skip_special_tokens=True)
            given = normaliser.normalize_str(task.prompt) if normaliser else task.prompt
            longest = max(longest, len(ids))
            if _letters(read) != _letters(given):
                raise adapter.fault(
                    "tasks",
                    f"gives the prompt {task.prompt!r}, which the policy in {folder} reads as {read!r}",
                    "Use the words of its tokenizer.json, or name another policy in the class: policy = ...",
                )
    return f"at most {longest} tokens a prompt"


def file_stands_alone(adapter: Adapter) -> str:
    """In the sandbox lies a copy of the file and nothing that is beside it."""
    loaded = Path(adapter.name)
    if loaded.suffix != ".py":
        return "it is no single file"
    with tempfile.TemporaryDirectory(prefix="szilard-alone-") as folder:
        shutil.copyfile(loaded, Path(folder, loaded.name))
        try:
            alone = _fingerprint_elsewhere(str(Path(folder, loaded.name)))
        except Nonconforming as error:
            said = error.said.replace(folder, str(loaded.absolute().parent))
            raise Nonconforming(f"a copy of the file in an empty folder fails: {said}", ALONE) from error
    own = fingerprint(adapter.environment)
    if alone == own:
        adapter.remembered["elsewhere"] = alone
    elif _fingerprint_elsewhere(adapter.name) == own:
        raise adapter.fault("tasks", "gives other tasks where the file lies in an empty folder", ALONE)
    return "a copy in an empty folder does the same"


def same_in_another_process(adapter: Adapter) -> str:
    """Python orders sets and hashes text anew in every process."""
    elsewhere = adapter.remembered.get("elsewhere") or _fingerprint_elsewhere(adapter.name)
    if elsewhere != fingerprint(adapter.environment):
        raise adapter.fault(
            "tasks",
            "gives other tasks in another process",
            "Use neither hash() nor the order of a set: hash with hashlib, and sort what you draw from",
        )
    return "the same tasks in another process"


ALONE = (
    "In training the file lies alone in a sandbox: write data into the file or make it, or install the "
    "environment as a package with an entry point"
)
ELSEWHERE = """
import sys
from environments import registry
from environments.checks.tasks import fingerprint
print()
print(fingerprint(registry.load(sys.argv[1])))
"""


def fingerprint(environment: Environment) -> str:
    """A hash of some training tasks, equal in every process for equal tasks."""
    assert isinstance(environment, LanguageEnvironment)  # noqa: S101
    tasks = environment.drawn(Split.TRAINING, 5, COUNT)
    text = "\n".join(f"{task.prompt}\t{task.cluster}" for task in tasks)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _fingerprint_elsewhere(name: str) -> str:
    """The fingerprint in a process of its own, whose hashes are salted otherwise.

    Raises:
        Nonconforming: it failed there.
    """
    other = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    done = subprocess.run(
        [sys.executable, "-P", "-c", ELSEWHERE, name],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": other},
        timeout=SECONDS,
    )
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:]
        raise Nonconforming(
            " ".join(last).rpartition("InvalidEnvironment: ")[2].removesuffix("."),
            "Look at the line that is named",
        )
    return done.stdout.split()[-1]


def _letters(text: str) -> str:
    return "".join(text.split()).casefold()
