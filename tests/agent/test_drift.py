"""Diagnostics that moved far are told, and neither noise nor what decides is."""

from __future__ import annotations

from dataclasses import dataclass

from agent.arms import Arm
from agent.drift import moved
from environments.base import Guard, Metric, Score


@dataclass(frozen=True)
class Rules:
    metric: str = "S"
    direction: str = "maximise"
    guards: tuple[Guard, ...] = (Guard("pass@1", 0.02),)
    minimum_effect: float = 0.0


def arm(validity: float, length: float, score: float = 0.5, seeds: int = 4) -> Arm:
    jitter = [0.0, 0.002, -0.002, 0.001]
    return Arm(
        {
            seed: Score(
                "S",
                {
                    "S": Metric(score + jitter[seed]),
                    "pass@1": Metric(score + jitter[seed]),
                    "validity": Metric(validity + jitter[seed]),
                    "length": Metric(length + 100 * jitter[seed]),
                },
            )
            for seed in range(seeds)
        }
    )


def test_what_moved_far_is_told_the_farthest_first() -> None:
    told = moved(arm(0.6, 14.0), arm(0.9, 10.0), Rules(), [0, 1, 2])
    assert [line.split()[0] for line in told] == ["validity", "length"]
    assert "validity 0.9 to 0.6" in told[0]


def test_noise_and_what_decides_are_not_told() -> None:
    assert moved(arm(0.9, 10.1, score=0.9), arm(0.9, 10.0, score=0.5), Rules(), [0, 1, 2]) == []
    assert moved(arm(0.6, 14.0), arm(0.9, 10.0, seeds=1), Rules(), [0]) == []
    assert moved(Arm({}), arm(0.9, 10.0), Rules(), [0]) == []
