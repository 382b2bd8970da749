"""The entropy regime of a domain: by temperature, or by training under other entropy pressure.

Owns what is varied and the placebos; signs and intervals are `evaluators.entropy_response`'s. A placebo that
does not come out as it must voids the reading.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.assess.bench import TEMPLATE, Bench, Training
from agent.assess.edits import NUMBER
from agent.researchers.configuration import recipe_in
from agent.trials import Variant
from environments.base import Environment, Score, Split
from environments.probes import not_measured
from environments.suitability import Probe, answer
from evaluators.entropy_response import (
    PLACEBOS,
    Points,
    Reading,
    placebo_scores,
    regime_of_levers,
    regime_of_rows,
)

TEMPERATURES = (0.3, 0.5, 0.7, 0.85, 1.0, 1.15, 1.3, 1.5)
TASKS, SAMPLES = 64, 32
ENTROPY = "entropy"
BONUSES = (-0.03, -0.01, 0.01, 0.03)
RATES = (0.5, 2.0)
SWEEP_SEEDS = 3
CAVEAT = "temperature evidence is not training evidence"
_TERMS = re.compile(r"^TERMS = \(\)\s*$", re.M)
_RATE = re.compile(rf"^LEARNING_RATE = ({NUMBER})\s*$", re.M)


@dataclass(frozen=True)
class Regime:
    """Readings by metric, and what they rest on; `points` are (lever, entropy, score by metric)."""

    evidence: str
    readings: Mapping[str, Reading]
    broken: Sequence[str]
    points: Sequence[tuple[str, float, Mapping[str, float]]]

    def probe(self, metric: str) -> Probe:
        """E1 for the metric in force; the other metrics are told beside it."""
        if self.broken:
            told = f"the placebos {', '.join(self.broken)} did not come out as they must ({self.evidence})"
            return not_measured("E1", told)
        others = "; ".join(f"{name} {r.regime}" for name, r in self.readings.items() if name != metric)
        found = self.readings[metric]
        told = f"{metric} {found.regime} ({found.reason}); {others}; {self.evidence}"
        return answer("E1", "reported", None, told)


def by_temperature(
    environment: Environment, policy: Path, metrics: Sequence[str], sign: float, seed: int
) -> Regime | None:
    """Fixed weights at eight temperatures, each prompt held against itself; None where none can be set."""
    domains = [environment.at_temperature(one, tasks=TASKS, samples=SAMPLES) for one in TEMPERATURES]
    if None in domains:
        return None
    import torch

    torch.set_num_threads(1)
    scores = [domain.score(policy, Split.SELECTION, seed) for domain in domains if domain is not None]
    if any(ENTROPY not in score.metrics for score in scores):
        return None
    entropies = _rows(scores, ENTROPY, 1.0)
    told = [name for name in metrics if len(scores[0].metrics[name].per_task) == len(entropies)]
    readings = {name: regime_of_rows(entropies, _rows(scores, name, sign)) for name in told}
    flat = [entropy for row in entropies for entropy in row]

    def read(values: Sequence[float]) -> Reading:
        width = len(TEMPERATURES)
        return regime_of_rows(entropies, [values[i : i + width] for i in range(0, len(values), width)])

    points = [
        (f"T {temperature:g}", score.metrics[ENTROPY].value, {n: score.metrics[n].value for n in told})
        for temperature, score in zip(TEMPERATURES, scores, strict=True)
    ]
    return Regime(CAVEAT, readings, _broken(flat, read, seed), points)


def levers_of(files: Mapping[str, str]) -> dict[str, list[Variant]]:
    """Entropy pressure and learning rate as edits of the template; empty where it has not both."""
    control = files.get("entropy_control.py", "")
    file = recipe_in(files)
    recipe = files.get(file, "")
    rate = _RATE.search(recipe)
    if _TERMS.search(control) is None or "controls/entropy_bonus.py" not in files or rate is None:
        return {}
    pressed = [
        Variant(
            f"entropy-bonus-{'minus' if bonus < 0 else 'plus'}-{abs(bonus):g}".replace(".", "_"),
            f"entropy bonus {bonus:+g}",
            {
                "entropy_control.py": "from controls.entropy_bonus import EntropyBonus\n"
                + _TERMS.sub(f"TERMS = (EntropyBonus(coefficient={bonus:g}),)", control)
            },
        )
        for bonus in BONUSES
    ]
    rated = [
        Variant(
            f"learning-rate-x-{factor:g}".replace(".", "_"),
            f"learning rate x {factor:g}",
            {file: _RATE.sub(f"LEARNING_RATE = {float(rate[1]) * factor:.6g}", recipe)},
        )
        for factor in RATES
    ]
    return {"entropy pressure": pressed, "learning rate": rated}


def trainings_of(levers: Mapping[str, Sequence[Variant]]) -> list[Training]:
    return [
        Training(variant, seed)
        for variants in levers.values()
        for variant in variants
        for seed in range(SWEEP_SEEDS)
    ]


def by_training(
    bench: Bench, levers: Mapping[str, Sequence[Variant]], metrics: Sequence[str], sign: float
) -> Regime | None:
    """Trainings under other entropy pressure and at other learning rates, held against the baseline's seeds.

    None where a lever has too few trainings whose final entropy lies within .5 to 1.5 of the baseline's.
    """
    template = [bench.done[Training(TEMPLATE, seed)].score for seed in range(SWEEP_SEEDS)]
    if any(ENTROPY not in score.metrics for score in template):
        return None
    centre = sum(score.metrics[ENTROPY].value for score in template) / len(template)
    swept: dict[str, list[tuple[int, Score]]] = {}
    for lever, variants in levers.items():
        rows = [(seed, score) for seed, score in enumerate(template)]
        rows += [
            (seed, bench.done[wanted].score)
            for variant in variants
            for seed in range(SWEEP_SEEDS)
            if (wanted := Training(variant, seed)) in bench.done
        ]
        swept[lever] = [
            (seed, s) for seed, s in rows if 0.5 * centre <= s.metrics[ENTROPY].value <= 1.5 * centre
        ]
        if len(swept[lever]) < SWEEP_SEEDS + 2 + len({seed for seed, _ in swept[lever]}):
            return None

    scored = [score for rows in swept.values() for _, score in rows]
    flat = [score.metrics[ENTROPY].value for score in scored]

    def read(values: Sequence[float]) -> Reading:
        levels, start = {}, 0
        for lever, rows in swept.items():
            end = start + len(rows)
            levels[lever] = Points(flat[start:end], values[start:end], [seed for seed, _ in rows])
            start = end
        return regime_of_levers(levels)

    readings = {name: read([sign * score.metrics[name].value for score in scored]) for name in metrics}
    points = [
        (lever, score.metrics[ENTROPY].value, {name: score.metrics[name].value for name in metrics})
        for lever, rows in swept.items()
        for _, score in rows
    ]
    evidence = (
        f"{len(points) - SWEEP_SEEDS * (len(levers) - 1)} trainings on {SWEEP_SEEDS} seeds, "
        f"entropy {min(flat):.3f} to {max(flat):.3f} around {centre:.3f} nats"
    )
    return Regime(evidence, readings, _broken(flat, read, bench.settings.seed), points)


def _broken(entropies: Sequence[float], read: Callable[[Sequence[float]], Reading], seed: int) -> list[str]:
    """The placebos that did not come out as they must."""
    placebos = placebo_scores(entropies, abs(seed))
    return [name for name, expected in PLACEBOS.items() if read(placebos[name]).regime != expected]


def _rows(scores: Sequence[Score], metric: str, sign: float) -> list[list[float]]:
    """[prompts, temperatures]."""
    columns = [score.metrics[metric].per_task for score in scores]
    return [[sign * value for value in row] for row in zip(*columns, strict=True)]
