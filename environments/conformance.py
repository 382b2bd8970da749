"""What a plug-in must pass without training: the half of `szilard env check` that needs no sandbox.

Owns the order of the checks and the reading of what they raise; who runs them bounds their time.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from environments import registry
from environments.base import InvalidEnvironment
from environments.blame import place_of_error, raised
from environments.checks import network, reward, scoring, spec, tasks
from environments.checks.base import Adapter, Check, Finding, Nonconforming
from environments.language import LanguageEnvironment

Level = Literal["load", "vital", "quick"]

LOADS, LOADS_QUICKLY, NETWORK = "it loads", "it loads quickly", "no network is used"
SLOW_LOAD = 3.0
LOAD_LIMIT = 30.0
SCORE_LIMIT = 120.0
_DETERMINED = ("tasks repeat under a seed", "tasks are the same in another process", "rewards repeat")


def _of_language(name: str, examine: Callable[[Adapter], str], **more: bool | tuple[str, ...]) -> Check:
    return Check(name, examine, language=True, **more)  # type: ignore[arg-type]


CHECKS: Sequence[Check] = (
    Check("it keeps the contract", spec.contract, vital=True),
    Check("the sandbox shows its code", spec.code_is_shown_inside, vital=True),
    Check("the spec is consistent", spec.spec_is_consistent, vital=True),
    Check("the template is there", spec.template_is_there, vital=True),
    Check("the starting policy is there", spec.policy_is_there, vital=True, policy=True),
    Check("globs divide the template", spec.globs_divide_the_template),
    Check("it can be pickled", spec.picklable),
    _of_language("tasks are tasks", tasks.tasks_are_tasks, vital=True),
    _of_language("rewards take any text", reward.takes_any_text, vital=True),
    _of_language("rewards are numbers", reward.is_a_number, vital=True),
    _of_language("rewards are finite", reward.is_finite, vital=True),
    _of_language("rewards are 0 to 1", reward.is_in_range, vital=True),
    _of_language("as many tasks as asked", tasks.as_many_as_asked),
    _of_language("prompts differ", tasks.prompts_differ, needs=("as many tasks as asked",)),
    _of_language("tasks repeat under a seed", tasks.seed_repeats_tasks),
    _of_language(
        "the seed chooses tasks",
        tasks.seed_chooses_tasks,
        needs=("tasks repeat under a seed", "prompts differ"),
    ),
    _of_language("the file stands alone", tasks.file_stands_alone, needs=("tasks repeat under a seed",)),
    _of_language(
        "tasks are the same in another process",
        tasks.same_in_another_process,
        needs=("tasks repeat under a seed", "the file stands alone"),
    ),
    _of_language("tasks leave chance alone", tasks.tasks_leave_chance_alone),
    _of_language("splits share nothing", tasks.splits_are_apart),
    _of_language(
        "there are enough tasks to score",
        tasks.enough_to_score,
        needs=("as many tasks as asked", "prompts differ"),
    ),
    _of_language("the policy can read the prompts", tasks.prompts_can_be_read),
    _of_language("rewards repeat", reward.repeats),
    _of_language("rewards leave tasks alone", reward.leaves_the_task_alone),
    _of_language("rewards leave chance alone", reward.leaves_chance_alone),
    _of_language(
        "there is something to learn",
        reward.something_to_learn,
        needs=("the policy can read the prompts", "rewards leave tasks alone"),
    ),
    Check(
        "it gives a score",
        scoring.is_a_score,
        vital=True,
        policy=True,
        needs=("the policy can read the prompts", "rewards leave tasks alone"),
        seconds=SCORE_LIMIT,
    ),
    Check("scoring is quick", scoring.is_quick, policy=True),
    Check("scores repeat", scoring.repeats, policy=True, needs=_DETERMINED),
    Check(
        "seed and split choose the score",
        scoring.seed_and_split_choose,
        policy=True,
        needs=("the seed chooses tasks",),
    ),
    Check("scoring leaves the policy alone", scoring.leaves_the_policy_alone, policy=True),
    Check(
        "scoring leaves chance alone",
        scoring.leaves_chance_alone,
        policy=True,
        needs=("tasks leave chance alone", "rewards leave chance alone"),
    ),
)
BEFORE_A_RUN = 12
"""So many of the first are made before any run; the others are about whether its results can be trusted."""


def findings(
    name: str, level: Level, *, shown: Callable[[Path], bool], begin: Callable[[str, float], None]
) -> Iterator[Finding]:
    """Load an environment and look at it; `begin(check, seconds)` is told before any foreign code is run.

    `shown(path)`: whether a sandbox shows a file. `level`: "load" only loads it, "vital" adds what a run
    cannot do without, "quick" is everything here.
    """
    begin(LOADS, LOAD_LIMIT)
    network.watch()
    began = time.monotonic()
    try:
        environment = registry.load(name)
    except InvalidEnvironment as error:
        yield Finding(LOADS, "failed", str(error).removesuffix("."))
        return
    seconds = time.monotonic() - began
    yield Finding(LOADS, "passed", type(environment).__name__, seconds=seconds)
    if level == "load":
        return
    if level == "quick":
        yield _load_time(seconds)
    yield from _examined(Adapter(name, environment, shown), level, begin)


def _examined(adapter: Adapter, level: Level, begin: Callable[[str, float], None]) -> Iterator[Finding]:
    found = dict[str, str]()
    connected = network.used(adapter.file)
    for check in CHECKS[: BEFORE_A_RUN if level == "vital" else None]:
        if check.language and not isinstance(adapter.environment, LanguageEnvironment):
            continue
        if check.policy and not adapter.environment.spec.trains_policy:
            continue
        missing = [name for name in check.needs if found.get(name, "passed") not in ("passed", "warned")]
        if missing:
            finding = Finding(check.name, "left out", f"it needs: {missing[0]}")
        else:
            begin(check.name, check.seconds)
            finding = _finding(check, adapter)
            connected = connected or network.used(adapter.file)
        found[check.name] = finding.outcome
        yield finding
        if check.vital and finding.outcome != "passed" and finding.outcome != "warned":
            break
    if level == "quick":
        yield _network(connected)


def _finding(check: Check, adapter: Adapter) -> Finding:
    began = time.monotonic()
    try:
        said = check.examine(adapter)
    except Nonconforming as error:
        outcome: Literal["warned", "failed"] = "warned" if error.warning else "failed"
        return Finding(check.name, outcome, error.said, error.remedy, time.monotonic() - began)
    except InvalidEnvironment as error:
        said = str(error).removesuffix(".")
        named = re.match(r"\S+:\d+: ", said)
        return Finding(check.name, "failed", said, "Look at the line that is named" if named else "")
    except Exception as error:  # noqa: BLE001 - foreign code was run: its failure is the finding
        place = place_of_error(error, adapter.file)
        at = f"{place}: " if place else ""
        return Finding(check.name, "failed", f"{at}{raised(error)}", "Look at the line that is named")
    return Finding(check.name, "passed", said, seconds=time.monotonic() - began)


def _load_time(seconds: float) -> Finding:
    said = f"loading takes {seconds:.1f} s"
    if seconds <= SLOW_LOAD:
        return Finding(LOADS_QUICKLY, "passed", said, seconds=seconds)
    remedy = (
        "Every training loads it: import heavy libraries in the methods that need them, make data in tasks()"
    )
    return Finding(LOADS_QUICKLY, "failed", f"{said}, more than {SLOW_LOAD:g} s", remedy, seconds)


def _network(connected: str | None) -> Finding:
    if connected is None:
        return Finding(NETWORK, "passed", "nothing was connected to or looked up")
    return Finding(
        NETWORK,
        "failed",
        f"{connected} reaches for the network",
        "There is none in the sandbox: write data into the file, or ship it with a package",
    )
