"""Spend entropy or keep it? How scores of a domain follow the entropy that training leaves.

Owns the claims, their rules and the verdicts. Two levers move entropy, learning rate and an entropy bonus:
what only one of them shows may be that lever's own doing.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from agent.events import Message, Observer
from agent.studies.arms import NONE, ControlArm, learning_rate, variant
from agent.studies.base import ONE_SAMPLE, Claim, Finding, Report, Study, judged, one_sample
from agent.trials import Trial, Trials, Variant
from evaluators.rank_correlation import rank_correlation
from evaluators.significance import paired_interval
from workspaces.controls import shipped_controls

RATES = (0.5, 1.0, 2.0, 4.0)
PRESSURES = (0.005, 0.02, 0.06)
PRESSED_AT = 2.0
ENTROPY = "entropy"
MANY_SAMPLES = ("diversity", "pass_at_16")

Lever = Literal["learning rate", "entropy bonus", "both"]
LEVERS: tuple[Lever, ...] = ("learning rate", "entropy bonus", "both")

_RULE = (
    "The rank correlation (Spearman) of a metric with the final entropy on the same prompts over the codes "
    "of a lever, by seed; its mean over seeds with a 95% t interval. Learning rate: no control at "
    f"{', '.join(f'x{rate:g}' for rate in RATES)} of the domain's own. Entropy bonus: at x{PRESSED_AT:g}, "
    f"none and {', '.join(f'{one:g}' for one in PRESSURES)}. "
)

CLAIMS = (
    Claim(
        "One sample spends",
        "What a single sample is worth falls as final entropy rises: under a score of single samples "
        "training does well to spend entropy.",
        "Cui et al. 2025, arXiv 2505.22617, sec. 2",
        f"{_RULE}Of {' or '.join(ONE_SAMPLE)}, the first that the domain has: the interval lies below 0 for "
        "each lever: reproduced; for one: partly; for none: not reproduced here.",
    ),
    Claim(
        "Many samples keep",
        "What many samples are worth together rises with final entropy: under a gated score of many samples "
        "training does well to keep it.",
        "arXiv 2507.14783; arXiv 2504.12522",
        f"The same of {' or '.join(MANY_SAMPLES)}: the intervals lie above 0.",
    ),
)


@dataclass(frozen=True)
class Response:
    """Mean rank correlation of a metric with final entropy over seeds, and its 95% interval."""

    mean: float
    interval: tuple[float, float]
    by_seed: Sequence[float]

    @property
    def shown(self) -> str:
        low, high = self.interval
        return f"{self.mean:+.2f} [{low:+.2f}, {high:+.2f}]"


Figures = Mapping[str, float]
"""Metric -> value of one training."""


def _codes(trials: Trials) -> dict[Lever, list[Variant]]:
    bonus = shipped_controls()["EntropyBonus"]
    rates = [variant(trials.environment, NONE, rate) for rate in RATES]
    pressed = [
        variant(trials.environment, ControlArm(bonus, "adapted", {"coefficient": one}), PRESSED_AT)
        for one in PRESSURES
    ]
    return {
        "learning rate": rates,
        "entropy bonus": [rates[RATES.index(PRESSED_AT)], *pressed],
        "both": [*rates, *pressed],
    }


def _run(trials: Trials, observer: Observer, command: str) -> Report:
    codes = _codes(trials)
    start = trials.start()
    one_sample(start.metrics)
    observer(Message(f"Training {len(codes['both'])} codes on {trials.settings.seeds} seeds."))
    done = []
    for seed in range(1, trials.settings.seeds + 1):
        if trials.out_of_time():
            break
        wanted = [Trial(one, seed) for one in codes["both"]]
        trials.measure(wanted)
        if trials.are_there(wanted):
            done.append(seed)
    measured = {one.label: _figures(trials, one, done) for one in codes["both"]}
    names = [name for name in dict.fromkeys((*trials.environment.spec.metrics, *ONE_SAMPLE, *MANY_SAMPLES))
             if name in start.metrics]  # fmt: skip
    found = {
        name: {lever: response(name, [measured[one.label] for one in codes[lever]]) for lever in LEVERS}
        for name in names
    }
    findings = [
        judge(CLAIMS[0].name, ONE_SAMPLE, found, above=False),
        judge(CLAIMS[1].name, MANY_SAMPLES, found, above=True),
    ]
    rate = learning_rate(trials.environment)
    body = "\n\n".join(
        (
            f"The domain's own learning rate is {rate:g}; {len(done)} seeds.",
            _codes_table(measured, {name: start.metrics[name].value for name in (ENTROPY, *names)}),
            _responses_table(found),
        )
    )
    return Report(findings, body, [])


def _figures(trials: Trials, one: Variant, seeds: Sequence[int]) -> list[Figures]:
    scores = trials.arm(one, seeds).scores
    return [{name: m.value for name, m in scores[seed].metrics.items()} for seed in seeds]


def response(name: str, codes: Sequence[Sequence[Figures]]) -> Response | None:
    """Of a metric, over `codes` [code][seed]; None with fewer than two seeds, or where nothing moved."""
    of_seeds = [
        rank_correlation([one[ENTROPY] for one in figures], [one[name] for one in figures])
        for figures in zip(*codes, strict=True)
    ]
    by_seed = [rho for rho in of_seeds if rho is not None]
    if len(by_seed) < 2:
        return None
    low, high = paired_interval(by_seed)
    return Response(statistics.fmean(by_seed), (max(low, -1.0), min(high, 1.0)), by_seed)


def judge(
    claim: str,
    candidates: Sequence[str],
    found: Mapping[str, Mapping[Lever, Response | None]],
    *,
    above: bool,
) -> Finding:
    """Hold one claim against its rule."""
    name = _first(candidates, found)
    if name is None:
        return Finding(claim, "not decided", f"the domain has none of {', '.join(candidates)}")
    levers = {lever: found[name][lever] for lever in LEVERS[:2]}
    read = {lever: one for lever, one in levers.items() if one is not None}
    if len(read) < len(levers):
        return Finding(claim, "not decided", f"too few trainings of {name}")
    met = [one.interval[0] > 0 if above else one.interval[1] < 0 for one in read.values()]
    return Finding(
        claim, judged(met), f"{name}: " + ", ".join(f"{lever} {one.shown}" for lever, one in read.items())
    )


def _first(candidates: Sequence[str], found: Mapping[str, object]) -> str | None:
    return next((name for name in candidates if name in found), None)


def _codes_table(measured: Mapping[str, Sequence[Figures]], start: Figures) -> str:
    names = list(start)
    lines = ["| code, means over seeds | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    lines.append("| untrained | " + " | ".join(f"{start[name]:.4f}" for name in names) + " |")
    for label, seeds in sorted(measured.items(), key=lambda one: -_mean(one[1], ENTROPY)):
        lines.append(f"| {label} | " + " | ".join(f"{_mean(seeds, name):.4f}" for name in names) + " |")
    return "\n".join(lines)


def _responses_table(found: Mapping[str, Mapping[Lever, Response | None]]) -> str:
    lines = [
        "Rank correlation with final entropy, mean over seeds with its 95% interval, and the seeds in which "
        "it is above 0:", "", "| metric | " + " | ".join(LEVERS) + " | seeds above 0, both |",
        "|---" * (len(LEVERS) + 2) + "|",
    ]  # fmt: skip
    for name, levers in found.items():
        both = levers["both"]
        signs = f"{sum(rho > 0 for rho in both.by_seed)} of {len(both.by_seed)}" if both else "-"
        cells = [one.shown if (one := levers[lever]) is not None else "-" for lever in LEVERS]
        lines.append(f"| {name} | " + " | ".join([*cells, signs]) + " |")
    return "\n".join(lines)


def _mean(seeds: Sequence[Figures], name: str) -> float:
    return statistics.fmean(one[name] for one in seeds) if seeds else math.nan


STUDY = Study(
    name="entropy-regime",
    title="Spend or keep",
    claims=CLAIMS,
    design=(
        "Trains the template at four learning rates, and at one of them with three strengths of an entropy "
        "bonus, at equal tokens and on the same seeds, and asks how each metric follows the entropy that is "
        "left."
    ),
    trainings=lambda seeds: (len(RATES) + len(PRESSURES)) * seeds,
    run=_run,
)
