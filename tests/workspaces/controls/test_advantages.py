"""Advantages and samplings agree with their references."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.vectors.read import tensor
from tests.workspaces.controls.vectors import Control, group_of, vector

SUM_TO_NOTHING = (
    "group_advantage.GroupAdvantage",
    "batch_scaled_advantage.BatchScaledAdvantage",
    "dr_grpo_advantage.DrGrpoAdvantage",
    "leave_one_out_advantage.LeaveOneOutAdvantage",
    "pass_at_k_advantage.PassAtKAdvantage",
    "unlikeliness_advantage.UnlikelinessAdvantage",
    "overlong_shaped_advantage.OverlongShapedAdvantage",
)


def test_group_advantages_are_those_of_the_reference(control: Control) -> None:
    inputs, expected, tolerance = vector("group_advantages")
    rewards = tensor(inputs["rewards"]).view(-1, inputs["group_size"])
    names = {
        "verl_grpo": control("group_advantage.GroupAdvantage"),
        "trl_scale_group": control("group_advantage.GroupAdvantage", epsilon=1e-4),
        "verl_dr_grpo": control("dr_grpo_advantage.DrGrpoAdvantage"),
        "trl_scale_none": control("dr_grpo_advantage.DrGrpoAdvantage"),
        "verl_rloo": control("leave_one_out_advantage.LeaveOneOutAdvantage"),
        "trl_scale_batch": control("batch_scaled_advantage.BatchScaledAdvantage"),
        "verl_grpo_passk_topgap": control("best_minus_second_advantage.BestMinusSecondAdvantage"),
    }
    for name, made in names.items():
        found = made.advantages(group_of(rewards))
        torch.testing.assert_close(found, tensor(expected[name]).view_as(rewards), atol=tolerance, rtol=0)
        assert all((found[group] == 0).all() for group in expected["zero_std_groups"])


@pytest.mark.parametrize(
    ("form", "name"),
    [("linear", "official_linear_quantile"), ("right-continuous", "paper_right_continuous_quantile")],
)
def test_quantile_advantages_are_those_of_the_reference(control: Control, form: str, name: str) -> None:
    inputs, expected, tolerance = vector("quantile_advantage")
    made = control("quantile_advantage.QuantileAdvantage", quantile=inputs["quantile"], form=form)
    found = made.advantages(group_of(tensor(inputs["rewards"])))
    torch.testing.assert_close(found, tensor(expected[name]["advantages"]), atol=tolerance, rtol=0)


@given(st.lists(st.booleans(), min_size=2, max_size=16), st.floats(0, 0.99))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_right_continuous_baseline_is_the_least_reward_with_more_than_its_share_below(
    control: Control, right: list[bool], quantile: float
) -> None:
    rewards = tensor([[float(value) for value in right]])
    made = control("quantile_advantage.QuantileAdvantage", quantile=quantile, form="right-continuous")
    zeros = float((rewards == 0).double().mean())
    baseline = 0.0 if zeros > quantile + 1e-6 else 1.0
    if abs(zeros - quantile) > 1e-6 and 0 < sum(right) < len(right):
        expected = (rewards - baseline) / (rewards.std() + 1e-6)
        torch.testing.assert_close(made.advantages(group_of(rewards)), expected)


def test_weighted_reinforce_is_that_of_the_reference(control: Control) -> None:
    inputs, expected, tolerance = vector("w_reinforce")
    rewards = tensor(inputs["token_level_rewards"]).sum(dim=1)[None]
    found = control(
        "weighted_reinforce.WeightedReinforce", positive_weight=inputs["positive_advantage_weight"]
    ).advantages(group_of(rewards))
    by_token = found[0][:, None] * tensor(inputs["mask"])
    torch.testing.assert_close(by_token, tensor(expected["weighted"]), atol=tolerance, rtol=0)
    only_wrong = control("weighted_reinforce.WeightedReinforce", positive_weight=0.0)
    by_token = only_wrong.advantages(group_of(rewards))[0][:, None] * tensor(inputs["mask"])
    torch.testing.assert_close(by_token, tensor(expected["negative"]), atol=tolerance, rtol=0)


def test_unlikeliness_is_that_of_the_reference(control: Control) -> None:
    inputs, expected, tolerance = vector("unlikeliness_reward")
    rewards, likelihoods = tensor([inputs["rewards"]]), tensor([inputs["sequence_log_probs"]])
    made = control("unlikeliness_advantage.UnlikelinessAdvantage", weight=inputs["beta_rank"])
    shaped = made.shaped(rewards, likelihoods)
    torch.testing.assert_close(shaped[0], tensor(expected["modified_rewards"]), atol=tolerance, rtol=0)
    two_tokens = torch.stack([likelihoods / 4, likelihoods * 3 / 4, likelihoods * 0 + 99], dim=2)
    mask = torch.ones_like(two_tokens).bool()
    mask[..., 2] = False
    found = made.advantages(
        group_of(rewards, logprobs=two_tokens, entropies=torch.zeros_like(two_tokens), mask=mask)
    )
    torch.testing.assert_close(found[0], tensor(expected["advantages_grpo"]), atol=tolerance, rtol=0)


def test_entropy_shaping_is_that_of_the_reference(control: Control) -> None:
    inputs, expected, tolerance = vector("entropy_advantage")
    made = control(
        "entropy_shaped_advantage.EntropyShapedAdvantage", alpha=inputs["alpha"], kappa=inputs["kappa"]
    )
    mask = tensor(inputs["mask"])
    found = made.shaped(tensor(inputs["advantages"]), tensor(inputs["entropy"]))
    expected_advantages = tensor(expected["shaped_advantages"])
    torch.testing.assert_close(found * mask, expected_advantages * mask, atol=tolerance, rtol=0)
    rewards, entropies = tensor([[1.0, 0.0, 0.0]]), torch.rand(1, 3, 4)
    by_token = made.advantages(group_of(rewards, entropies=entropies, mask=torch.ones(1, 3, 4).bool()))
    plain = control("group_advantage.GroupAdvantage").advantages(group_of(rewards))
    torch.testing.assert_close(by_token, made.shaped(plain[..., None].expand(1, 3, 4), entropies))


def test_overlong_penalty_is_that_of_the_reference(control: Control) -> None:
    inputs, expected, tolerance = vector("overlong_shaping")
    made = control(
        "overlong_shaped_advantage.OverlongShapedAdvantage",
        cache=inputs["cache_length"],
        factor=inputs["penalty_factor"],
    )
    found = made.penalty(tensor(inputs["response_length"]), inputs["max_length"])
    torch.testing.assert_close(found, tensor(expected["penalty"]), atol=tolerance, rtol=0)


def test_dynamic_sampling_keeps_the_groups_of_the_reference(control: Control) -> None:
    inputs, expected, _ = vector("dynamic_sampling")
    rewards = tensor(inputs["rewards"]).view(4, 4)
    assert control("dynamic_sampling.DynamicSampling").differing(rewards) == expected["kept_groups"]


def test_pass_at_k_advantages_are_those_of_the_reference(control: Control) -> None:
    inputs, expected, tolerance = vector("passk_training")
    mixed = tensor(inputs["rewards"])
    rewards = torch.stack([mixed, torch.zeros_like(mixed), torch.ones_like(mixed)])
    found = control("pass_at_k_advantage.PassAtKAdvantage", k=inputs["k"]).advantages(group_of(rewards))
    rows = tensor([expected[name] for name in ("mixed", "all_wrong", "all_right")])
    torch.testing.assert_close(found, rows, atol=tolerance, rtol=0)


@pytest.mark.parametrize("right", range(9))
def test_pass_at_1_advantage_is_the_group_advantage_with_population_deviation(
    control: Control, right: int
) -> None:
    rewards = tensor([[1.0] * right + [0.0] * (8 - right)])
    found = control("pass_at_k_advantage.PassAtKAdvantage", k=1).advantages(group_of(rewards))
    spread = rewards.std(dim=1, correction=0, keepdim=True) + 1e-6
    torch.testing.assert_close(found, (rewards - rewards.mean()) / spread, atol=1e-12, rtol=0)


@pytest.mark.parametrize("name", SUM_TO_NOTHING)
def test_advantages_of_a_group_sum_to_nothing(control: Control, name: str) -> None:
    rewards = torch.bernoulli(torch.full((64, 8), 0.4), generator=torch.Generator().manual_seed(0))
    found = control(name).advantages(group_of(rewards))
    assert found.shape == rewards.shape
    torch.testing.assert_close(found.sum(dim=1), torch.zeros(64), atol=1e-12, rtol=0)
