"""Controls together: what composes, what is refused, and what a control says of what it touched."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.vectors.read import tensor
from tests.workspaces.controls.vectors import Control, batch_of, group_of, vector


def check(control: Control, **changed: Any) -> None:
    composition = importlib.import_module("controls.composition")
    usual = {
        "loss": control("ppo_clip.PpoClip"),
        "advantage": control("group_advantage.GroupAdvantage"),
        "average": control("last_iterate.LastIterate"),
        "terms": (),
        "sampling": (),
        "minibatches": 2,
    }
    composition.check_composition(**{**usual, **changed})


def test_controls_of_all_kinds_compose(control: Control) -> None:
    check(control)
    check(
        control,
        loss=control("kl_cov.KlCov"),
        advantage=control("quantile_advantage.QuantileAdvantage"),
        average=control("weight_average.WeightAverage"),
        terms=(control("entropy_bonus.EntropyBonus"), control("kl_to_start.KlToStart")),
        sampling=(control("dynamic_sampling.DynamicSampling"), control("temperature.Temperature")),
    )


def test_compositions_without_meaning_are_refused_with_the_reason(control: Control) -> None:
    bonus = control("entropy_bonus.EntropyBonus")
    cases: list[tuple[str, dict[str, Any]]] = [
        ("LOSS takes a loss, and EntropyBonus is of kind 'term'", {"loss": bonus}),
        ("SAMPLING takes a sampling", {"sampling": (bonus,)}),
        ("LOSS takes a loss, and NoneType", {"loss": None}),
        ("in force twice", {"terms": (bonus, bonus)}),
        ("with MINIBATCHES = 1", {"loss": control("clip_higher.ClipHigher"), "minibatches": 1}),
        ("with MINIBATCHES = 1", {"loss": control("kl_cov.KlCov"), "minibatches": 1}),
        (
            "pull at the same entropy",
            {"terms": (bonus, control("adaptive_entropy_bonus.AdaptiveEntropyBonus"))},
        ),
        (
            "drops groups of equal rewards, from which WeightedReinforce learns",
            {
                "sampling": (control("dynamic_sampling.DynamicSampling"),),
                "advantage": control("weighted_reinforce.WeightedReinforce"),
            },
        ),
    ]
    for reason, changed in cases:
        with pytest.raises(ValueError, match=reason):
            check(control, **changed)
    check(control, minibatches=1)


class Drawn:
    """Groups by the name of their prompt; a stand-in for a rollout with nothing but rewards."""

    def __init__(self, rewards: Tensor) -> None:
        self.rewards = rewards

    def groups(self, indices: Any) -> Drawn:
        return Drawn(self.rewards[list(indices)])

    def joined(self, other: Drawn) -> Drawn:
        return Drawn(torch.cat([self.rewards, other.rewards]))


def test_dynamic_sampling_draws_until_enough_groups_differ_and_no_further(control: Control) -> None:
    request = importlib.import_module("controls.sampling").Request(prompts=3, samples=2, temperature=1.0)
    equal, mixed = [1.0, 1.0], [1.0, 0.0]

    def drawn(*draws: list[list[float]], most: int = 3) -> tuple[Tensor, int]:
        left = [Drawn(tensor(rewards)) for rewards in draws]
        sampled = control("dynamic_sampling.DynamicSampling", most_draws=most).around(lambda _: left.pop(0))
        return sampled(request).rewards, len(draws) - len(left)

    rewards, used = drawn([mixed, equal, mixed], [mixed, mixed, equal], [mixed] * 3)
    assert (rewards.tolist(), used) == ([mixed] * 3, 2)
    rewards, used = drawn([equal] * 3, [equal, mixed, equal], [equal] * 3)
    assert (rewards.tolist(), used) == ([mixed], 3)
    rewards, used = drawn([equal] * 3, [equal] * 3, most=2)
    assert (rewards.tolist(), used) == ([equal] * 3, 2)


def test_temperature_reaches_the_draw(control: Control) -> None:
    request = importlib.import_module("controls.sampling").Request(prompts=3, samples=2, temperature=1.0)
    asked: list[Any] = []
    control("temperature.Temperature", temperature=0.8).around(asked.append)(request)
    assert (asked[0].temperature, asked[0].prompts) == (0.8, 3)


def test_inert_control_is_told_from_one_that_acted(control: Control) -> None:
    inputs, _, _ = vector("clip_cov_subset")
    acted = control("clip_cov.ClipCov", fraction=0.15, lower=0.05).loss(batch_of(inputs), None)
    inert = control("clip_cov.ClipCov", lower=1e3, upper=1e4).loss(batch_of(inputs), None)
    assert (acted[1]["touched"], inert[1]["touched"]) == (2, 0)
    notes = importlib.import_module("controls.notes").Notes()
    for _ in range(2):
        notes.add(control("clip_cov.ClipCov"), acted[0], acted[1])
    summary = notes.summary()
    assert summary["touched"] == {"ClipCov": 4}
    assert summary["loss"] == pytest.approx(float(acted[0].detach()))
    rewards = tensor([[1.0, 0.0, 1.0, 1.0]])
    group = group_of(rewards)
    for name, touched in (("group_advantage.GroupAdvantage", None), ("dr_grpo_advantage.DrGrpoAdvantage", 4)):
        made = control(name)
        fresh = importlib.import_module("controls.notes").Notes()
        fresh.add_advantages(made, group, made.advantages(group).reshape(4, 1))
        assert fresh.summary()["touched"].get("DrGrpoAdvantage") == touched


def test_weight_average_is_the_exponential_moving_average_of_every_update(control: Control) -> None:
    average, policy = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    expected = average.weight.detach().clone()
    for step in range(5):
        with torch.no_grad():
            policy.weight.fill_(float(step))
        control("weight_average.WeightAverage", decay=0.8).update(average, policy)
        expected = 0.8 * expected + 0.2 * step
    torch.testing.assert_close(average.weight.detach(), expected)


def test_last_iterate_is_the_policy_after_the_last_update(control: Control) -> None:
    average, policy = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    control("last_iterate.LastIterate").update(average, policy)
    torch.testing.assert_close(average.weight, policy.weight)
    assert average.weight is not policy.weight
