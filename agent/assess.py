"""Whether a domain can be researched at all: probes before the first attempt is paid for.

Owns the quick probes that a run makes of its own baseline. They need no training of their own.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from agent.scorer import Scorer
from environments.base import Environment, Score, Split, SzilardError
from workspaces.measurements import Measurement


class Unsuitable(SzilardError):
    """The domain lacks something that autonomous research needs; the message names the probe."""


@dataclass(frozen=True)
class Probe:
    """One probe's answer: a number where it has one, and what follows from it."""

    name: str
    passed: bool
    finding: str


def probe_scoring(
    environment: Environment, scorer: Scorer, metric: str, seed: int
) -> tuple[Score, list[Probe]]:
    """Score the starting policy twice: the metric must be one finite number, and the same one again."""
    first, second = (scorer.score(environment.starting_policy(), Split.SELECTION, seed) for _ in range(2))
    value = first.metrics[metric].value
    low, high = environment.spec.range
    return first, [
        Probe(
            "one number, in its range",
            math.isfinite(value) and low <= value <= high,
            f"the starting policy scores {value:.4f}, {metric} has the range {low:g} to {high:g}",
        ),
        Probe(
            "the same score twice",
            first == second,
            f"scored twice: {value:.6f} and {second.metrics[metric].value:.6f}",
        ),
    ]


def probe_baseline(
    start: Score, baseline: Mapping[int, Measurement], metric: str, direction: str
) -> list[Probe]:
    """The trained baseline: its seed is really used, and training is told from not training."""
    values = [m.score.metrics[metric].value for m in baseline.values()]
    noise = statistics.stdev(values)
    sign = 1.0 if direction == "maximise" else -1.0
    gain = sign * (statistics.fmean(values) - start.metrics[metric].value)
    hashes = {m.policy_hash for m in baseline.values()}
    return [
        Probe(
            "every seed trains another policy",
            len(hashes) == len(baseline),
            f"{len(baseline)} seeds gave {len(hashes)} different policies",
        ),
        Probe(
            "training is told from none",
            gain > 2 * noise,
            f"training changes {metric} by {sign * gain:+.4f}, seeds by {noise:.4f} (one standard deviation)",
        ),
    ]


def probe_commands(baseline: Mapping[int, Measurement], metric: str, deterministic: bool) -> list[Probe]:
    """What the baseline of commands shows: seeds that do something, and noise to test against."""
    values = [m.score.metrics[metric].value for m in baseline.values()]
    varies = Probe(
        "seeds differ in the metric",
        len(set(values)) > 1,
        f"{metric} takes {len(set(values))} values on {len(values)} seeds; without noise no gain is tested",
    )
    if deterministic:
        return [varies]
    hashes = {m.policy_hash for m in baseline.values()}
    used = len(hashes) == len(baseline)
    left = f"{len(baseline)} seeds left {len(hashes)} different results"
    remedy = "" if used else "; the train command is to use the seed that it is told"
    return [Probe("every seed leaves something else", used, left + remedy), varies]


def require(probes: list[Probe]) -> None:
    """Stop at the first probe that failed.

    Raises:
        Unsuitable: one did.
    """
    for probe in probes:
        if not probe.passed:
            raise Unsuitable(
                f"This domain cannot be researched as it is: probe {probe.name!r} failed ({probe.finding})."
            )
