"""What confirmation.json says: winner against baseline and frontier, from what was measured of them.

Owns the record and its figures; what is measured is said in `confirm`, what is claimed in `winner`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agent.arms import LEVEL, Arm, crossed
from agent.settings import RunSettings
from agent.winner import FrontierVerdict, above_frontier, judge_confirmation
from environments.base import FrontierPoint, Split
from workspaces.measurements import Measurement

BASELINE = "baseline"
NO_FRONTIER = FrontierVerdict(
    None, None, None, None, "not to be placed beside a frontier: the domain names none"
)
Measured = Mapping[str, Mapping[int, Measurement]]


def confirmation_of(
    settings: RunSettings,
    measured: Measured,
    points: Sequence[FrontierPoint],
    *,
    winner: str | None,
    seeds: int,
    split: Split,
) -> dict[str, Any]:
    """The record of a confirmation, or of a frontier without a winner.

    `measured` maps the labels of baseline, winner and points to measurements by seed; `winner` is its label,
    `seeds` how many winner and baseline were to have.
    """
    arms = {label: Arm({seed: m.score for seed, m in rows.items()}) for label, rows in measured.items()}
    result: dict[str, Any] = {
        "split": str(split),
        "metric": settings.metric,
        "baseline": {"seeds": _rows(measured[BASELINE])},
        "winner": None,
        "change": None,
        "interval": None,
        "confirmed": None,
        "guards": [],
        "metrics": {},
        "frontier": [_point(point, measured[point.label]) for point in points],
        "above_frontier": None,
        "frontier_reason": "nothing was kept, so there is nothing to hold against the frontier",
        "reason": "nothing was kept: the sealed tasks stay sealed",
    }
    if winner is None:
        return result
    result["winner"] = {"seeds": _rows(measured[winner])}
    failed = [label for label in (BASELINE, winner) if len(arms[label].scores) < seeds]
    if failed:
        return result | {
            "reason": f"{failed[0]} could not be measured on every fresh seed",
            "frontier_reason": "not to be placed beside the frontier",
            "confirmed": False,
        }
    judged = judge_confirmation(arms[winner], arms[BASELINE], settings)
    frontier = {label: arm for label, arm in arms.items() if label != winner}
    above = above_frontier(arms[winner], frontier, settings) if points else NO_FRONTIER
    for row in result["frontier"]:
        row |= _lead(above, row["label"])
    return result | {
        "change": judged.change,
        "interval": list(judged.interval),
        "confirmed": judged.confirmed,
        "reason": judged.reason,
        "guards": [
            {
                "metric": g.metric,
                "change": g.change,
                "lower_bound": g.lower_bound,
                "tolerance": g.tolerance,
                "holds": g.holds,
            }
            for g in judged.guards
        ],
        "metrics": _metrics(arms[winner], arms[BASELINE]),
        "above_frontier": above.above,
        "frontier_best": above.best,
        "frontier_reason": above.reason,
    }


def _metrics(winner: Arm, baseline: Arm) -> dict[str, dict[str, Any]]:
    """Every metric of both, with its change and the 95% interval over seeds and task clusters."""
    seeds = sorted(winner.scores.keys() & baseline.scores.keys())
    names = [
        name
        for name in winner.scores[seeds[0]].metrics
        if all(name in arm.scores[seed].metrics for arm in (winner, baseline) for seed in seeds)
    ]
    found = {}
    for name in names:
        gain = crossed(winner, baseline, name, seeds, LEVEL)
        before = sum(baseline.scores[seed].metrics[name].value for seed in seeds) / len(seeds)
        found[name] = {
            "baseline": before,
            "winner": before + gain.change,
            "change": gain.change,
            "interval": list(gain.interval),
        }
    return found


def _point(point: FrontierPoint, measured: Mapping[int, Measurement]) -> dict[str, Any]:
    return {
        "label": point.label,
        "learning_rate": point.learning_rate,
        "steps": point.steps,
        "seeds": _rows(measured),
    }


def _lead(above: FrontierVerdict, label: str) -> dict[str, Any]:
    """How far the winner lies over a point, on the seeds that they share."""
    lead = above.leads.get(label)
    return {"lead": lead.change if lead else None, "lead_interval": list(lead.interval) if lead else None}


def _rows(measured: Mapping[int, Measurement]) -> list[dict[str, Any]]:
    return [
        {
            "seed": seed,
            "metrics": {name: metric.value for name, metric in m.score.metrics.items()},
            "entropy": m.entropy_end,
        }
        for seed, m in sorted(measured.items())
    ]
