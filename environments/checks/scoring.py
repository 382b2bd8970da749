"""Checks of the score: what it is, that it repeats, and that making it changes nothing."""

from __future__ import annotations

import copy
import hashlib
import math
import shutil
import tempfile
import time
from pathlib import Path

from environments.base import Environment, Score, Split
from environments.blame import place_of_error, raised
from environments.checks.base import Adapter, Nonconforming
from environments.checks.chance import unchanged_chance
from environments.language import LanguageEnvironment

QUICK = 10.0


def is_a_score(adapter: Adapter) -> str:
    began = time.monotonic()
    spec, score = adapter.environment.spec, _scored(adapter, Split.SELECTION, 3, adapter.environment)
    adapter.remembered["score seconds"] = time.monotonic() - began
    at = adapter.at("score")
    if not isinstance(score, Score) or score.primary not in score.metrics:
        raise Nonconforming(
            f"{at}: score() returned {type(score).__name__}, no Score with its primary metric",
            "Return Score(primary, {name: Metric(value, ...)})",
        )
    missing = [name for name in spec.metrics if name not in score.metrics]
    if missing:
        raise Nonconforming(
            f"{at}: score() has no metric {missing[0]!r}, which `spec.metrics` names",
            "Add it to the score, or take it out of the spec",
        )
    for name, metric in score.metrics.items():
        if not all(map(math.isfinite, (metric.value, metric.standard_error or 0.0, *metric.per_task))):
            raise Nonconforming(
                f"{at}: {name} of the starting policy is not finite", "Score what fails as the worst value"
            )
        if len(metric.per_task) != len(metric.cluster):
            raise Nonconforming(
                f"{at}: {name} has {len(metric.per_task)} tasks and {len(metric.cluster)} clusters",
                "Give one cluster a task",
            )
    low, high = spec.range
    value = score.metrics[spec.metric].value
    if not low <= value <= high:
        raise Nonconforming(
            f"{at}: {spec.metric} of the starting policy is {value:g}, not {low:g} to {high:g}",
            "Correct `range` in the spec, or the score",
        )
    return f"{spec.metric} of the starting policy is {value:.4f}"


def is_quick(adapter: Adapter) -> str:
    seconds, told = adapter.remembered["score seconds"], adapter.environment.spec.seconds_per_attempt
    said = f"scoring takes {seconds:.1f} s, an attempt is said to train for {told:g} s"
    if seconds > max(told, QUICK):
        raise Nonconforming(
            said, "Score fewer tasks or samples, or correct seconds_per_attempt", warning=True
        )
    return said


def repeats(adapter: Adapter) -> str:
    first, second = (_scored(adapter, Split.SELECTION, 3) for _ in range(2))
    if first != second:
        differing = next(name for name in first.metrics if first.metrics[name] != second.metrics.get(name))
        raise adapter.fault(
            "score",
            f"gave {differing} = {first.metrics[differing].value:.6g} and then "
            f"{second.metrics[differing].value:.6g} for the same policy, split and seed",
            "Seed every draw: torch.Generator().manual_seed(seed), random.Random(seed); no clock, no memory",
        )
    return "the same score twice"


def seed_and_split_choose(adapter: Adapter) -> str:
    metric = adapter.environment.spec.metric
    first = _scored(adapter, Split.SELECTION, 3).metrics[metric]
    for what, other in (
        ("seeds 3 and 4", _scored(adapter, Split.SELECTION, 4)),
        ("selection and confirmation", _scored(adapter, Split.CONFIRMATION, 3)),
    ):
        if first == other.metrics[metric]:
            raise adapter.fault(
                "score",
                f"is the same for {what}",
                "Choose the tasks by split and seed: what selects must not be what confirms",
            )
    return "another seed or split, other tasks"


def leaves_the_policy_alone(adapter: Adapter) -> str:
    with _copied(adapter) as name:
        policy = Path(name, "policy")
        before = _contents(policy)
        _small(adapter.environment).score(policy, Split.SELECTION, 3)
        after = _contents(policy)
    changed = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    if changed:
        raise adapter.fault(
            "score",
            f"changes the policy folder ({changed[0]})",
            "Write nothing there: what is scored is hashed, and kept as evidence",
        )
    return "the policy folder stays as it is"


def leaves_chance_alone(adapter: Adapter) -> str:
    return unchanged_chance(adapter, "score", lambda: _scored(adapter, Split.SELECTION, 3))


def _scored(adapter: Adapter, split: Split, seed: int, domain: Environment | None = None) -> Score:
    domain = domain or _small(adapter.environment)
    with _copied(adapter) as name:
        try:
            return domain.score(Path(name, "policy"), split, seed)
        except Exception as error:
            place = place_of_error(error, adapter.file) or adapter.at("score")
            raise Nonconforming(
                f"{place}: score() raised {raised(error)}", "The starting policy must be scored as any other"
            ) from error


def _small(environment: Environment) -> Environment:
    """The same domain with fewer tasks and samples: what is asked of a score does not need them all."""
    small = copy.copy(environment)
    if isinstance(small, LanguageEnvironment):
        small.scored_tasks = min(small.scored_tasks, 32)
        small.scored_samples = min(small.scored_samples, 16)
        small.seen_tasks = min(small.seen_tasks, 8)
    return small


def _copied(adapter: Adapter) -> tempfile.TemporaryDirectory[str]:
    """A folder that holds a copy of the starting policy, so that none of ours is harmed."""
    folder = tempfile.TemporaryDirectory(prefix="szilard-policy-")
    shutil.copytree(adapter.environment.starting_policy(), Path(folder.name, "policy"))
    return folder


def _contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else "folder"
        for path in folder.rglob("*")
    }
