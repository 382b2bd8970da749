"""How long a control takes beside the plain one of its kind, on minibatches as large as a training's."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from checks.calls import Calls
from checks.inputs import group, inputs
from controls.group_advantage import GroupAdvantage
from controls.last_iterate import LastIterate
from controls.ppo_clip import PpoClip

LARGEST_RATIO = 1.5
LEAST_EXTRA_SECONDS = 2e-4
ROWS = 64
VOCABULARY = 106
REPEATS = 21
LAYERS, WIDTH = 12, 64


def seconds(control: Any, calls: Calls) -> tuple[float, float]:
    """Median seconds of a call, the backward pass included, and the plain control's; both taken in turn."""
    ours, plain = _work(control)
    ours_seconds, plain_seconds = [], []
    for _ in range(REPEATS):
        ours_seconds.append(calls(_seconds, ours))
        plain_seconds.append(calls(_seconds, plain))
    return statistics.median(ours_seconds[1:]), statistics.median(plain_seconds[1:])


def _work(control: Any) -> tuple[Callable[[], None], Callable[[], None]]:
    if control.kind in ("loss", "term"):
        return _losing(control), _losing(PpoClip())
    if control.kind == "advantage":
        rewards = (torch.arange(ROWS * 2).view(-1, 8) % 3 == 0).float()
        rollout = group(rewards)
        return lambda: control.advantages(rollout), lambda: _ignored(GroupAdvantage().advantages(rollout))
    return _averaging(control), _averaging(LastIterate())


def _losing(control: Any) -> Callable[[], None]:
    usual = inputs(0, reference=True, rows=ROWS, vocabulary=VOCABULARY)
    states = [None]

    def work() -> None:
        loss, _, states[0] = control.loss(usual.batch()[0], states[0])
        if loss.requires_grad:
            loss.backward()

    return work


def _averaging(control: Any) -> Callable[[], None]:
    policy = nn.Sequential(*(nn.Linear(WIDTH, WIDTH) for _ in range(LAYERS)))
    average = copy.deepcopy(policy)
    return lambda: control.update(average, policy)


def _ignored(_: object) -> None:
    return None


def _seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
