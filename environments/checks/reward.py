"""Checks of the reward: a number of 0 to 1 for any text, the same again, and something to learn from."""

from __future__ import annotations

import copy
import math
from numbers import Real

from environments.base import InvalidEnvironment, Split, Task
from environments.blame import place_of_error, raised
from environments.checks.base import Adapter, Nonconforming
from environments.checks.chance import unchanged_chance

ODD_TEXTS = (
    "",
    " ",
    "\n",
    "0",
    "-1",
    "1 + 1 2",
    "a",
    "é ∑ 🙂",
    "\x00",
    "(" * 200,
    "9" * 400,
    "nan",
    "x " * 300,
)
TASKS, SAMPLES = 64, 8


def takes_any_text(adapter: Adapter) -> str:
    for task, text in _pairs(adapter):
        try:
            adapter.language.reward(task, text)
        except Exception as error:
            place = place_of_error(error, adapter.file) or adapter.at("reward")
            raise Nonconforming(
                f"{place}: reward() raised {raised(error)} on completion {text[:40]!r}",
                "A policy writes anything: return 0.0 for what cannot be read",
            ) from error
    return f"{len(ODD_TEXTS)} odd completions"


def is_a_number(adapter: Adapter) -> str:
    for task, text in _pairs(adapter):
        reward = adapter.language.reward(task, text)
        if not isinstance(reward, Real):
            raise adapter.fault(
                "reward",
                f"returned {reward!r} ({type(reward).__name__}) on {text[:40]!r}",
                "Return a float",
            )
    return "a number"


def is_finite(adapter: Adapter) -> str:
    for task, text in _pairs(adapter):
        reward = adapter.language.reward(task, text)
        if not math.isfinite(reward):
            raise adapter.fault(
                "reward",
                f"returned {reward} on {text[:40]!r}",
                "Return 0.0 where no reward can be worked out",
            )
    return "finite"


def is_in_range(adapter: Adapter) -> str:
    for task, text in _pairs(adapter):
        reward = adapter.language.reward(task, text)
        if reward < 0.0 or reward > 1.0:
            raise adapter.fault(
                "reward",
                f"returned {reward:g} on {text[:40]!r}, outside of 0 to 1",
                "Scale it: 1.0 is right, 0.0 is wrong",
            )
    return "0 to 1"


def repeats(adapter: Adapter) -> str:
    for task, text in _pairs(adapter):
        found = {adapter.language.reward(task, text) for _ in range(4)}
        if len(found) > 1:
            raise adapter.fault(
                "reward",
                f"gave {' and '.join(f'{r:g}' for r in sorted(found)[:3])} for {text[:40]!r}",
                "Let it depend on task and completion alone: no clock, no chance, no memory of earlier calls",
            )
    return "the same four times"


def leaves_the_task_alone(adapter: Adapter) -> str:
    for task, text in _pairs(adapter):
        before = copy.deepcopy(task)
        adapter.language.reward(task, text)
        if task != before or vars(task) != vars(before):
            raise adapter.fault(
                "reward",
                f"changed its task {before.prompt[:60]!r}",
                "Copy what you change: the task is scored again",
            )
    return "tasks stay as they are"


def leaves_chance_alone(adapter: Adapter) -> str:
    pairs = _pairs(adapter)
    return unchanged_chance(
        adapter, "reward", lambda: [adapter.language.reward(task, text) for task, text in pairs]
    )


def something_to_learn(adapter: Adapter) -> str:
    """Groups of samples must differ in reward somewhere: training learns from the difference."""
    from evaluators.hugging_face import open_policy

    domain = adapter.language
    policy = open_policy(domain.starting_policy())
    tasks = domain.drawn(Split.TRAINING, 9, TASKS)
    try:
        _, rewards, completions = domain._sample(policy, tasks, 9, SAMPLES)
    except InvalidEnvironment as error:
        raise Nonconforming(
            str(error).removesuffix("."), "The starting policy writes such completions: reward them"
        ) from error
    mean = sum(map(sum, rewards)) / (TASKS * SAMPLES)
    mixed = sum(len(set(row)) > 1 for row in rewards)
    told = f"the starting policy earns {mean:.3f}, and samples differ on {mixed} of {TASKS} tasks"
    if mixed == 0:
        raise Nonconforming(
            f"{told}: there is nothing to learn from",
            "Make tasks easier or harder, reward part of the way, or start from another policy",
        )
    last = completions.tokens[:, -1].tolist()
    ended = [token in policy.config.eos_token_ids for token in last]
    cut = completions.mask[:, -1] & ~completions.mask.new_tensor(ended)
    if completions.mask.shape[1] == domain.max_tokens and float(cut.float().mean()) > 0.5:
        raise Nonconforming(
            f"{told}; more than half of its completions are cut off at max_tokens = {domain.max_tokens}",
            "Raise max_tokens, in the class and in language_spec",
            warning=True,
        )
    return told


def _pairs(adapter: Adapter) -> list[tuple[Task, str]]:
    tasks = [adapter.language.drawn(split, 1, 2)[0] for split in Split]
    return [(task, text) for task in tasks for text in (*ODD_TEXTS, task.prompt)]
