"""What a result commit says: the figures of an attempt as trailers.

Owns their names and their digits: enough to show the change, never a fixed two decimals.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping

from agent.decision import Verdict
from agent.seeds import SCREENING_SEED
from agent.settings import RunSettings
from workspaces.measurements import Measurement


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
        trailers["Score"] = f"{statistics.fmean(m.value for m in metrics):.5f}"
        errors = [m.standard_error for m in metrics if m.standard_error is not None]
        if errors:
            trailers["Score-Standard-Error"] = f"{statistics.fmean(errors):.5f}"
    if verdict is not None and verdict.change is not None:
        trailers["Score-Change"] = f"{verdict.change:+.5f}"
        if verdict.standard_error is not None:
            trailers["Score-Change-Standard-Error"] = f"{verdict.standard_error:.5f}"
        if verdict.interval is not None:
            low, high = verdict.interval
            trailers["Score-Change-Interval"] = f"[{low:+.5f}, {high:+.5f}]"
    if verdict is not None:
        if verdict.guards:
            trailers["Guards"] = "; ".join(
                f"{g.metric} {g.change:+.5f} (allowed {-g.tolerance:+g})" for g in verdict.guards
            )
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
        _add_mean(trailers, "Law-A", evidence, lambda m: m.law["a"] if m.law else None)
        _add_mean(trailers, "Law-B", evidence, lambda m: m.law["b"] if m.law else None)
        _add_mean(trailers, "Law-R2", evidence, lambda m: m.law["r_squared"] if m.law else None)
        trailers["Train-Seconds"] = f"{sum(m.wall_seconds for m in measured.values()):.1f}"
    trailers["Sandbox"] = settings.sandbox
    return trailers


def scored_seeds(trailers: Mapping[str, str]) -> int:
    """How many seeds the score of a result commit is the mean of."""
    if "Score" not in trailers:
        return 0
    return max(1, len(trailers.get("Seeds", "").split(",")) - 1)


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
