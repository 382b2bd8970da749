"""Do the most uncertain tokens carry the learning? The top 20% by entropy against all, and the other 80%.

Owns the claims, their rules and the verdicts.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from agent.arms import Arm, crossed
from agent.events import Message, Observer
from agent.studies.arms import NONE, ControlArm
from agent.studies.base import ONE_SAMPLE, Claim, Finding, Report, Study, judged
from agent.studies.comparison import RATES, TUNING_SEEDS, at_edge, mean_trajectory, tuned, tuning
from agent.studies.comparison_files import rate_shown
from agent.trials import Trial, Trials
from environments.base import SzilardError
from evaluators.significance import CrossedInterval
from workspaces.controls import shipped_controls
from workspaces.review.trajectories import Panel, Path2D, draw_trajectories

FRACTION = 0.2
MARGIN = 0.01
LEVEL = 0.95

CLAIMS = (
    Claim(
        "Forking tokens suffice",
        f"Training on the {FRACTION:.0%} of tokens with the highest entropy alone matches or beats training "
        "on all tokens.",
        "Wang et al. 2025, arXiv 2506.01939, sec. 5",
        f"*Matches*: the 95% interval of the paired difference in the metric lies above -{MARGIN}. *Beats*: "
        "it lies above 0. Matches: reproduced; not: not reproduced here.",
    ),
    Claim(
        "The others do not",
        f"Training on the {1 - FRACTION:.0%} of tokens with the lowest entropy is worse than on all.",
        "as above",
        "The 95% interval of the paired difference lies below 0: reproduced; else not reproduced here.",
    ),
)


def _arms() -> dict[str, ControlArm]:
    control = shipped_controls()["ForkingTokens"]
    return {
        "all tokens": NONE,
        "top 20%": ControlArm(control, "published", {"fraction": FRACTION}),
        "bottom 80%": ControlArm(control, "adapted", {"fraction": 1 - FRACTION, "lowest": True}),
    }


def _run(trials: Trials, observer: Observer, command: str) -> Report:
    seeds = range(1, trials.settings.seeds + 1)
    arms = _arms()
    if trials.settings.direction != "maximise":
        raise SzilardError("The study of forking tokens needs a metric that is maximised.")
    for label, arm in arms.items():
        if trials.out_of_time():
            raise SzilardError(f"No time is left for {label}: the same command with more --minutes goes on.")
        observer(Message(f"{label}: tuning, then {len(seeds)} seeds."))
        trials.measure(tuning(trials, arm))
        trials.measure([Trial(tuned(trials, arm)[1], seed) for seed in seeds])
    metric = trials.settings.metric
    chosen = {label: tuned(trials, arm) for label, arm in arms.items()}
    measured = {label: trials.arm(one, seeds) for label, (_, one) in chosen.items()}
    top, bottom = (
        crossed(measured[label], measured["all tokens"], metric, _shared(measured, label), LEVEL)
        for label in ("top 20%", "bottom 80%")
    )
    best = {label: rate_shown(rate, at_edge(trials, rate)) for label, (rate, _) in chosen.items()}
    body = _table(metric, measured, best, {"top 20%": top, "bottom 80%": bottom})
    files = _draw(trials, arms, seeds)
    return Report(judge(metric, top, bottom), body, files)


def _shared(measured: Mapping[str, Arm], label: str) -> list[int]:
    shared = sorted(measured[label].scores.keys() & measured["all tokens"].scores.keys())
    if len(shared) < 2:
        raise SzilardError(f"{label} shares fewer than two seeds with all tokens: type the command again.")
    return shared


def judge(metric: str, top: CrossedInterval, bottom: CrossedInterval) -> list[Finding]:
    """Hold the claims against their rules; differences are to all tokens, of a metric that is maximised."""
    beats = " It beats all tokens." if top.interval[0] > 0 else ""
    return [
        Finding(CLAIMS[0].name, judged([top.interval[0] > -MARGIN]), f"{metric} {_span(top)}.{beats}"),
        Finding(CLAIMS[1].name, judged([bottom.interval[1] < 0]), f"{metric} {_span(bottom)}."),
    ]


def _table(
    metric: str,
    measured: Mapping[str, Arm],
    rates: Mapping[str, str],
    differences: Mapping[str, CrossedInterval],
) -> str:
    scored = [score for arm in measured.values() for score in arm.scores.values()]
    names = [
        name
        for name in dict.fromkeys((metric, *ONE_SAMPLE, "pass_at_16", "entropy", "response_length"))
        if all(name in score.metrics for score in scored)
    ]
    lines = ["| trained on | learning rate | " + " | ".join(names) + f" | {metric} to all tokens |"]
    lines.append("|---" * (len(names) + 3) + "|")
    for label, arm in measured.items():
        means = [
            statistics.fmean(score.metrics[name].value for score in arm.scores.values()) for name in names
        ]
        change = _span(differences[label]) if label in differences else ""
        figures = " | ".join(f"{mean:.4f}" for mean in means)
        lines.append(f"| {label} | {rates[label]} | {figures} | {change} |")
    lines += [
        "",
        "Edge: the best learning rate is the least or the largest tried; a better one may lie beyond.",
    ]
    return "\n".join(lines)


def _draw(trials: Trials, arms: Mapping[str, ControlArm], seeds: Sequence[int]) -> list[Path]:
    paths = {}
    for label, arm in arms.items():
        one = tuned(trials, arm)[1]
        rows = mean_trajectory([rows for seed in seeds if (rows := trials.trace(one, seed))])
        paths[label] = Path2D([row.entropy for row in rows], [row.reward for row in rows])
    panels = [Panel(label, path, None, "") for label, path in paths.items()]
    title = "Grey: all tokens. Blue: what is named. Means over seeds."
    drawn = draw_trajectories(title, paths["all tokens"], panels, trials.directory / "forking-tokens")
    return [file for file in drawn if file.suffix == ".svg"]


def _span(found: CrossedInterval) -> str:
    return f"{found.change:+.4f} [{found.interval[0]:+.4f}, {found.interval[1]:+.4f}]"


STUDY = Study(
    name="forking-tokens",
    title="Forking tokens",
    claims=CLAIMS,
    design=(
        "Trains on all tokens, on the 20% of highest entropy and on the 80% of lowest, each at the best of "
        "the same three learning rates (chosen on seeds that are no evidence), at equal tokens, paired by "
        "seed."
    ),
    trainings=lambda seeds: 3 * (len(RATES) * len(TUNING_SEEDS) + seeds),
    run=_run,
)
