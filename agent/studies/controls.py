"""All controls side by side, and two published claims about them.

Owns the claims, their rules and the verdicts; the comparison itself is `comparison`'s.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

import numpy as np

from agent.events import Observer
from agent.studies.arms import NONE, ControlArm, control_arms
from agent.studies.base import Claim, Finding, Judgement, Report, Study
from agent.studies.comparison import ArmResult, Comparison, compare, trainings, tuned
from agent.studies.comparison_files import markdown, write_comparison
from agent.trace import TraceRow, blocks
from agent.trials import Trials
from evaluators.significance import paired_interval

METHODS = ("ClipCov", "KlCov", "Gppo")
RIVAL = "ClipHigher"
STRETCHES = 15
SETTINGS = 5
LEVEL = 1 - 0.05 / (2 * SETTINGS)

CLAIMS = (
    Claim(
        "Entropy at the same reward",
        "Clip-Cov, KL-Cov and GPPO keep entropy higher at the same reward than no control and than "
        "clip-higher.",
        "arXiv 2505.22617, sec. 4.2; arXiv 2508.07629, sec. 4",
        "Over the last third of the training, in means over a fifteenth of it each: how far the entropy of a "
        "training lies above the straight line of entropy over training reward that is fitted to all seeds "
        "of none in that stretch. A method holds the claim against a rival if the interval of the paired "
        f"difference over seeds (t, {LEVEL:.1%}: corrected for {SETTINGS} settings and two rivals) lies "
        "above 0, at its published setting or at the adapted one. All three against both rivals: reproduced; "
        "some of the six: partly; none: not reproduced here.",
    ),
    Claim(
        "Entropy without a signal",
        "Clipping moves entropy even where the reward is random: some controls change entropy without any "
        "signal.",
        "arXiv 2509.26114, sec. 3",
        "With rewards that are the fall of a coin: a loss whose final entropy differs from that of none with "
        "random rewards at the same learning rate by an interval (paired over seeds, t, 95% corrected for "
        "the number of controls compared) that excludes 0 holds the claim. At least one loss: reproduced; "
        "none: not reproduced here. (The same learning rate was added to this rule after trainings "
        "had begun, and before any arm was held against none: without it, rates alone would have moved "
        "entropy. The controls of the first claim were then moved to the front of the order.)",
    ),
)


def _run(trials: Trials, observer: Observer, command: str) -> Report:
    comparison = compare(trials, _arms(), observer)
    files = write_comparison(comparison, trials.directory, command)
    excess = excess_entropy(trials, [result.arm for result in comparison.results])
    findings = [judge_excess(excess), judge_placebo(comparison)]
    shown = [file for file in files if file.suffix in (".svg", ".csv")]
    took = f"{trials.clock.seconds / 60:.0f} minutes of training in all, {trials.settings.workers} at once."
    return Report(findings, f"{took}\n\n{_excess_table(excess)}\n\n{markdown(comparison, command)}", shown)


def _arms() -> list[ControlArm]:
    """All controls, those of the first claim before the others."""
    claimed = control_arms([*METHODS, RIVAL])
    return [*claimed, *(arm for arm in control_arms() if arm not in claimed)]


def excess_entropy(trials: Trials, arms: Sequence[ControlArm]) -> dict[str, dict[int, float]]:
    """Label -> seed -> entropy (nats) above that of none at the same training reward, in the last third."""
    seeds = range(1, trials.settings.seeds + 1)
    ends = {arm.label: _last_third(trials, arm, seeds) for arm in arms}
    rows = [row for part in ends[NONE.label].values() for row in part]
    if len(rows) < 3:
        return {}
    slope, level = np.polyfit([row.reward for row in rows], [row.entropy for row in rows], 1)
    return {
        label: {
            seed: statistics.fmean(row.entropy - (level + slope * row.reward) for row in part)
            for seed, part in found.items()
        }
        for label, found in ends.items()
    }


def judge_excess(excess: Mapping[str, Mapping[int, float]]) -> Finding:
    """Hold the first claim against its rule."""
    rival = next((label for label in excess if label.partition(" ")[0] == RIVAL), None)
    common = set.intersection(*(set(found) for found in excess.values())) if excess else set()
    missing = [name for name in METHODS if not _settings_of(name, excess) or len(common) < 2]
    if missing or rival is None:
        lacking = ", ".join([*missing, *([RIVAL] if rival is None else [])])
        return Finding(CLAIMS[0].name, "not decided", f"not measured: {lacking}")
    met, said = [], []
    for name in METHODS:
        for other in (NONE.label, rival):
            spans = [_difference(excess[label], excess[other]) for label in _settings_of(name, excess)]
            best = max(spans, key=lambda span: span[1])
            met.append(best[1] > 0)
            said.append(
                f"{name} to {other.partition(' ')[0]} {best[0]:+.4f} [{best[1]:+.4f}, {best[2]:+.4f}]"
            )
    judgement: Judgement = (
        "reproduced" if all(met) else "partly reproduced" if any(met) else "not reproduced here"
    )
    return Finding(CLAIMS[0].name, judgement, "nats: " + "; ".join(said))


def judge_placebo(comparison: Comparison) -> Finding:
    """Hold the second claim against its rule."""
    losses = [r for r in comparison.results if r.arm.kind == "loss" and r.random_shift is not None]
    moved = [r for r in losses if _moves(r)]
    if not losses:
        return Finding(CLAIMS[1].name, "not decided", "no loss was trained with random rewards")
    others = [r for r in comparison.results if r.arm.kind not in ("loss", "none") and _moves(r)]
    reason = f"{len(moved)} of {len(losses)} losses: {', '.join(map(_moved, moved)) or 'none'}"
    if others:
        reason += f". Of the other kinds: {', '.join(map(_moved, others))}"
    return Finding(CLAIMS[1].name, "reproduced" if moved else "not reproduced here", reason)


def _moves(result: ArmResult) -> bool:
    return result.random_shift is not None and result.random_shift.moved


def _moved(result: ArmResult) -> str:
    return (
        f"{result.arm.label} {result.random_shift.change:+.3f}" if result.random_shift else result.arm.label
    )


def _last_third(trials: Trials, arm: ControlArm, seeds: Sequence[int]) -> dict[int, list[TraceRow]]:
    one = tuned(trials, arm)[1]
    traces = {seed: blocks(trials.trace(one, seed), STRETCHES) for seed in seeds}
    return {seed: rows[-STRETCHES // 3 :] for seed, rows in traces.items() if len(rows) == STRETCHES}


def _settings_of(name: str, excess: Mapping[str, Mapping[int, float]]) -> list[str]:
    return [label for label, found in excess.items() if label.partition(" ")[0] == name and len(found) > 1]


def _difference(ours: Mapping[int, float], theirs: Mapping[int, float]) -> tuple[float, float, float]:
    changes = [ours[seed] - theirs[seed] for seed in sorted(ours.keys() & theirs.keys())]
    return (statistics.fmean(changes), *paired_interval(changes, LEVEL))


def _excess_table(excess: Mapping[str, Mapping[int, float]]) -> str:
    lines = ["### Entropy above that of none at the same training reward, last third", ""]
    lines += ["| control | nats, mean over seeds | sd over seeds |", "|---|---|---|"]
    for label, found in sorted(excess.items(), key=lambda one: -statistics.fmean(one[1].values() or [0.0])):
        if len(found) > 1:
            mean, spread = statistics.fmean(found.values()), statistics.stdev(found.values())
            lines.append(f"| {label} | {mean:+.4f} | {spread:.4f} |")
    return "\n".join(lines)


STUDY = Study(
    name="controls",
    title="Entropy controls side by side",
    claims=CLAIMS,
    design=(
        "Trains every control of `szilard controls list` at its published setting, and at an adapted one "
        "where that touches next to nothing on small minibatches, at equal tokens. Each, none included, is "
        "tuned over the same three learning rates on seeds that are no evidence, measured on paired seeds, "
        "held against none at the same rate and against the frontier of learning rate and length, and "
        "trained again with random rewards."
    ),
    trainings=lambda seeds: trainings(len(control_arms()), seeds),
    run=_run,
)
