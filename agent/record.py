"""What a result commit says: the figures of an attempt as trailers.

Owns their names and their digits: they are rounded here, once, to what every view shows. Full precision is in
the measurements that `Evidence` names.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping

from agent.arms import GuardResult
from agent.decision import Verdict
from agent.seeds import SCREENING_SEED
from agent.settings import RunSettings
from workspaces.measurements import Measurement
from workspaces.review.text import places, signed, span


def figures(
    settings: RunSettings,
    verdict: Verdict | None,
    measured: Mapping[int, Measurement],
    *,
    compared_with: int,
) -> dict[str, str]:
    """Trailers of a result commit; a figure that could not be had has none.

    `measured` maps seed index to measurement; the score is the mean over the evidence seeds, or the
    screening seed's where there is no other.
    """
    trailers: dict[str, str] = {}
    evidence = {seed: m for seed, m in measured.items() if seed != SCREENING_SEED} or dict(measured)
    if evidence:
        metrics = [m.score.metrics[settings.metric] for m in evidence.values()]
        change = None if verdict is None else verdict.change
        decimals = max(5, places(change)) if change else 5
        trailers["Score"] = f"{statistics.fmean(m.value for m in metrics):.{decimals}f}"
        errors = [m.standard_error for m in metrics if m.standard_error is not None]
        if errors:
            trailers["Score-Standard-Error"] = f"{statistics.fmean(errors):.5f}"
    if verdict is not None and verdict.change is not None:
        trailers["Score-Change"] = signed(verdict.change)
        if verdict.standard_error is not None:
            trailers["Score-Change-Standard-Error"] = f"{verdict.standard_error:.3g}"
        if verdict.interval is not None:
            trailers["Score-Change-Interval"] = span(verdict.interval)
    if verdict is not None:
        if verdict.guards:
            trailers["Guards"] = "; ".join(map(_guard, verdict.guards))
        trailers["Alpha-Spent"] = f"{verdict.alpha_spent:.6g}"
        if verdict.seed_changes:
            trailers["Seed-Changes"] = ", ".join(f"{s}: {value:+.5f}" for s, value in verdict.seed_changes)
        if verdict.p_value is not None and verdict.threshold is not None:
            trailers["P-Value"] = f"{verdict.p_value:.3g}"
            trailers["Threshold"] = f"{verdict.threshold:.3g}"
    trailers["Compared-With"] = str(compared_with)
    if measured:
        trailers["Seeds"] = ", ".join(map(str, sorted(measured)))
        trailers["Evidence"] = ", ".join(measured[seed].key.digest for seed in sorted(measured))
        _add_mean(trailers, "Entropy-Start", evidence, lambda m: m.entropy_start)
        _add_mean(trailers, "Entropy-End", evidence, lambda m: m.entropy_end)
        trailers["Train-Seconds"] = f"{sum(m.wall_seconds for m in measured.values()):.1f}"
    if settings.self_reported:
        trailers["Metric-Source"] = "self-reported"
    trailers["Sandbox"] = settings.sandbox
    return trailers


def scored_seeds(trailers: Mapping[str, str]) -> int:
    """How many seeds the score of a result commit is the mean of."""
    if "Score" not in trailers:
        return 0
    return max(1, len(trailers.get("Seeds", "").split(",")) - 1)


def _guard(guard: GuardResult) -> str:
    """A guard with the bound that decides it; one seed has none."""
    bound = "one seed" if guard.lower_bound is None else f"at worst {signed(guard.lower_bound)}"
    return f"{guard.metric} {signed(guard.change)} ({bound}, allowed {-guard.tolerance:+g})"


def _add_mean(
    trailers: dict[str, str],
    name: str,
    measured: Mapping[int, Measurement],
    value: Callable[[Measurement], float | None],
) -> None:
    values = [value(m) for m in measured.values()]
    known = [v for v in values if v is not None]
    if known:
        trailers[name] = f"{statistics.fmean(known):.4f}"
