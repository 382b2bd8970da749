"""What the entropy controls promise: loss and gradient of their reference, padding without influence."""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.vectors.read import tensor
from tests.vectors.read import vector as read_vector

TEMPLATES = Path(__file__).parents[2] / "workspaces" / "templates"
LOSSES = (
    "ppo_clip.PpoClip",
    "dual_clip.DualClip",
    "clip_higher.ClipHigher",
    "clip_cov.ClipCov",
    "kl_cov.KlCov",
    "gppo.Gppo",
    "ce_gppo.CeGppo",
    "cispo.Cispo",
    "cispo_absolute.CispoAbsolute",
    "gspo.Gspo",
    "dr_grpo_loss.DrGrpoLoss",
    "forking_tokens.ForkingTokens",
    "forking_tokens_threshold.ForkingTokensThreshold",
)
TERMS = (
    "entropy_bonus.EntropyBonus",
    "adaptive_entropy_bonus.AdaptiveEntropyBonus",
    "anchored_selective_entropy.AnchoredSelectiveEntropy",
    "kl_to_start.KlToStart",
)
ADVANTAGES = (
    "group_advantage.GroupAdvantage",
    "batch_scaled_advantage.BatchScaledAdvantage",
    "dr_grpo_advantage.DrGrpoAdvantage",
    "leave_one_out_advantage.LeaveOneOutAdvantage",
    "best_minus_second_advantage.BestMinusSecondAdvantage",
    "quantile_advantage.QuantileAdvantage",
    "weighted_reinforce.WeightedReinforce",
    "pass_at_k_advantage.PassAtKAdvantage",
    "unlikeliness_advantage.UnlikelinessAdvantage",
    "entropy_shaped_advantage.EntropyShapedAdvantage",
    "overlong_shaped_advantage.OverlongShapedAdvantage",
)
SUM_TO_NOTHING = (
    "group_advantage.GroupAdvantage",
    "batch_scaled_advantage.BatchScaledAdvantage",
    "dr_grpo_advantage.DrGrpoAdvantage",
    "leave_one_out_advantage.LeaveOneOutAdvantage",
    "pass_at_k_advantage.PassAtKAdvantage",
    "unlikeliness_advantage.UnlikelinessAdvantage",
    "overlong_shaped_advantage.OverlongShapedAdvantage",
)
AVERAGES = ("last_iterate.LastIterate", "weight_average.WeightAverage")
SAMPLINGS = ("temperature.Temperature", "dynamic_sampling.DynamicSampling")
SHARED = {"__init__", "batch", "composition", "notes", "sampling"}

Control = Callable[..., Any]


def forget_controls() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "controls"]:
        del sys.modules[name]


@pytest.fixture
def control(monkeypatch: pytest.MonkeyPatch) -> Iterator[Control]:
    """Makes a control of the templates in float64, `control("ppo_clip.PpoClip", low=0.2)`."""
    monkeypatch.syspath_prepend(str(TEMPLATES))
    forget_controls()
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)

    def make(name: str, **parameters: Any) -> Any:
        module, kind = name.split(".")
        return getattr(importlib.import_module(f"controls.{module}"), kind)(**parameters)

    yield make
    torch.set_default_dtype(default)
    forget_controls()


def vector(name: str) -> tuple[dict[str, Any], dict[str, Any], float]:
    return read_vector(f"entropy/{name}")


def batch_of(inputs: dict[str, Any], **changes: Any) -> Any:
    """The minibatch of a vector; its log-probabilities and entropies are leaves."""
    logprobs = tensor(inputs["log_probs"]).requires_grad_()
    advantages = tensor(inputs.get("advantages", [0.0] * len(logprobs)))
    vocabulary = torch.linspace(-1.0, 1.0, 5, dtype=torch.float64) * logprobs.detach()[..., None]
    fields = {
        "logprobs": logprobs,
        "old_logprobs": tensor(inputs.get("old_log_probs", inputs["log_probs"])),
        "reference_logprobs": tensor(inputs["ref_log_probs"]) if "ref_log_probs" in inputs else None,
        "advantages": advantages if advantages.ndim == 2 else advantages[:, None].expand_as(logprobs),
        "entropies": tensor(inputs.get("entropy", inputs["log_probs"])).requires_grad_(),
        "mask": tensor(inputs["mask"]).bool(),
        "distribution": torch.log_softmax(vocabulary, dim=-1).requires_grad_(),
        "max_tokens": inputs.get("max_completion_length", 16),
    }
    return importlib.import_module("controls.batch").Batch(**{**fields, **changes})


def group_of(rewards: Tensor, **changes: Any) -> Any:
    """A rollout of these rewards [prompts, samples], one token a sample unless told otherwise."""
    nothing = torch.zeros(*rewards.shape, 1, dtype=torch.float64)
    fields = {
        "rewards": rewards,
        "logprobs": nothing,
        "entropies": nothing,
        "mask": torch.ones_like(nothing).bool(),
        "max_tokens": 16,
    }
    return importlib.import_module("controls.batch").Group(**{**fields, **changes})


def assert_matches(loss: Tensor, gradient: Tensor | None, expected: dict[str, Any], tolerance: float) -> None:
    assert float(loss.detach()) == pytest.approx(expected["loss"], abs=tolerance)
    torch.testing.assert_close(gradient, tensor(expected["grad_log_probs"]), atol=tolerance, rtol=0)


# Against the reference


CLIP = {"low": "clip_low", "high": "clip_high"}
REFERENCES = (
    ("ppo_clip", "ppo_clip.PpoClip", CLIP),
    ("dual_clip", "dual_clip.DualClip", {**CLIP, "cap": "dual_clip_c"}),
    ("dapo_clip_higher", "clip_higher.ClipHigher", CLIP),
    ("kl_cov", "kl_cov.KlCov", {"fraction": "kl_cov_ratio", "coefficient": "kl_coef"}),
    ("kl_cov_min_one", "kl_cov.KlCov", {"fraction": "kl_cov_ratio", "coefficient": "kl_coef"}),
    ("kl_cov_on_policy", "kl_cov.KlCov", {"fraction": "kl_cov_ratio", "coefficient": "kl_coef"}),
    ("gppo", "gppo.Gppo", {**CLIP, "cap": "dual_clip_c"}),
    (
        "ce_gppo",
        "ce_gppo.CeGppo",
        {**CLIP, "cap": "dual_clip_c", "low_weight": "beta1", "high_weight": "beta2"},
    ),
    ("cispo", "cispo.Cispo", CLIP),
    ("cispo_trl", "cispo_absolute.CispoAbsolute", {"cap": "epsilon_high"}),
    ("gspo", "gspo.Gspo", CLIP),
    ("forking_tokens_selected_mean", "forking_tokens.ForkingTokens", {**CLIP, "fraction": "top_ratio"}),
    (
        "forking_tokens",
        "forking_tokens_threshold.ForkingTokensThreshold",
        {**CLIP, "fraction": "top_entropy_quantile"},
    ),
)


@pytest.mark.parametrize(("name", "kind", "renamed"), REFERENCES, ids=[row[0] for row in REFERENCES])
def test_loss_and_gradient_are_those_of_the_reference(
    control: Control, name: str, kind: str, renamed: dict[str, str]
) -> None:
    inputs, expected, tolerance = vector(name)
    made = control(kind, **{ours: inputs[theirs] for ours, theirs in renamed.items()})
    batch = batch_of(inputs)
    loss, diagnostics, _ = made.loss(batch, None)
    loss.backward()
    assert_matches(loss, batch.logprobs.grad, expected, tolerance)
    for ours, theirs in {
        "clip_fraction": "clip_fraction",
        "dual_clip_fraction": "clip_fraction_dual",
    }.items():
        if ours in diagnostics and theirs in expected:
            assert diagnostics[ours] == pytest.approx(expected[theirs], abs=tolerance)
    if "n_kept" in expected:
        assert diagnostics["touched"] == expected["n_kept"]
    if "n_selected" in expected:
        on_policy = name == "kl_cov_on_policy"
        assert diagnostics["touched"] == (0 if on_policy else expected["n_selected"])
    assert batch.entropies.grad is None


PUBLISHED = {
    "ppo_clip.PpoClip": {"low": 0.2, "high": 0.2},
    "dual_clip.DualClip": {"cap": 3.0},
    "clip_higher.ClipHigher": {"low": 0.2, "high": 0.28},
    "clip_cov.ClipCov": {"fraction": 2e-4, "lower": 1.0, "upper": 5.0, "low": 1.0, "high": 1.0},
    "kl_cov.KlCov": {"fraction": 2e-3, "coefficient": 1.0},
    "gppo.Gppo": {"low": 0.2, "high": 0.28, "cap": 10.0},
    "ce_gppo.CeGppo": {"low_weight": 0.5, "high_weight": 1.0, "low": 0.2, "high": 0.2},
    "cispo.Cispo": {"low": 1.0},
    "cispo_absolute.CispoAbsolute": {"cap": 5.0},
    "gspo.Gspo": {"low": 3e-4, "high": 4e-4},
    "forking_tokens.ForkingTokens": {"fraction": 0.2},
    "adaptive_entropy_bonus.AdaptiveEntropyBonus": {"target": 0.2},
    "anchored_selective_entropy.AnchoredSelectiveEntropy": {
        "coefficient": 5e-3,
        "top_p": 0.8,
        "quantile": 0.8,
    },
    "quantile_advantage.QuantileAdvantage": {"quantile": 0.4},
    "weighted_reinforce.WeightedReinforce": {"positive_weight": 0.1},
    "unlikeliness_advantage.UnlikelinessAdvantage": {"weight": 0.25},
    "entropy_shaped_advantage.EntropyShapedAdvantage": {"alpha": 0.4, "kappa": 2.0},
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_defaults_are_the_published_ones(control: Control, name: str) -> None:
    made = control(name)
    assert {field: getattr(made, field) for field in PUBLISHED[name]} == PUBLISHED[name]


def test_dr_grpo_is_that_of_the_reference(control: Control) -> None:
    inputs, expected, tolerance = vector("dr_grpo")
    rewards = tensor([inputs["rewards"]])
    advantages = control("dr_grpo_advantage.DrGrpoAdvantage").advantages(group_of(rewards))
    torch.testing.assert_close(advantages[0], tensor(expected["advantages"]), atol=tolerance, rtol=0)
    batch = batch_of(inputs, advantages=advantages[0][:, None].expand(4, 7))
    loss, _, _ = control("dr_grpo_loss.DrGrpoLoss", low=0.2, high=0.2).loss(batch, None)
    loss.backward()
    assert_matches(loss, batch.logprobs.grad, expected, tolerance)
    with pytest.raises(ValueError, match="length limit"):
        control("dr_grpo_loss.DrGrpoLoss").loss(batch_of(inputs, max_tokens=None), None)


@pytest.mark.parametrize("name", ["loss_aggregation", "loss_aggregation_empty_row"])
def test_means_are_those_that_their_names_say(control: Control, name: str) -> None:
    inputs, expected, tolerance = vector(name)
    shared = importlib.import_module("controls.batch")
    values, mask = tensor(inputs["per_token_loss"]), tensor(inputs["mask"]).bool()
    assert float(shared.token_mean(values, mask)) == pytest.approx(expected["verl:token-mean"], abs=tolerance)
    assert float(shared.mean_of_sequence_means(values, mask)) == pytest.approx(
        expected["verl:seq-mean-token-mean"], abs=tolerance
    )


@pytest.mark.parametrize("name", ["clip_cov", "clip_cov_empty", "clip_cov_subset"])
def test_clip_cov_is_that_of_the_reference(
    control: Control, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    inputs, expected, tolerance = vector(name)
    made = control(
        "clip_cov.ClipCov",
        fraction=inputs["clip_cov_ratio"],
        lower=inputs["cov_low"],
        upper=inputs["cov_high"],
        low=inputs["clip_low"],
        high=inputs["clip_high"],
    )
    order = torch.arange if name == "clip_cov" else (lambda n, **_: torch.arange(n).flip(0))
    monkeypatch.setattr(torch, "randperm", order)
    batch = batch_of(inputs)
    loss, diagnostics, _ = made.loss(batch, None)
    loss.backward()
    assert_matches(loss, batch.logprobs.grad, expected, tolerance)
    assert diagnostics["touched"] == len(expected["selected_indices"])


def test_clip_cov_draws_its_tokens_at_random_and_repeatably(control: Control) -> None:
    inputs, expected, _ = vector("clip_cov_subset")
    made = control("clip_cov.ClipCov", fraction=0.15, lower=0.05, upper=5.0)

    def spared(seed: int) -> tuple[tuple[int, int], ...]:
        torch.manual_seed(seed)
        batch = batch_of(inputs)
        loss, _, _ = made.loss(batch, None)
        loss.backward()
        rows = ((batch.logprobs.grad == 0) & batch.mask).nonzero().tolist()
        return tuple((row, column) for row, column in rows)

    candidates = {(i, j) for i, j in expected["candidate_indices"]}
    draws = [spared(seed) for seed in range(60)]
    assert all(len(draw) == 2 for draw in draws)
    assert {token for draw in draws for token in draw} == candidates
    assert spared(7) == draws[7]


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


def test_adaptive_bonus_moves_as_in_the_reference(control: Control) -> None:
    inputs, expected, tolerance = vector("adaptive_entropy_coef")
    for convention in ("skywork", "trl"):
        made = control(
            "adaptive_entropy_bonus.AdaptiveEntropyBonus",
            target=inputs["target_entropy"],
            step=inputs["delta"],
            initial=inputs["initial_coef"],
            least=inputs["coef_min"],
            most=inputs["coef_max"],
            convention=convention,
        )
        state, applied, after = None, [], []
        for measured in inputs["measured_entropy_per_step"]:
            level = torch.full((1, 2), measured)
            sampled = convention == "skywork"
            batch = batch_of(
                {"log_probs": [[0.0] * 2], "mask": [[1.0] * 2]},
                old_logprobs=-level if sampled else level * 0,
                entropies=(level * 0 + 0.7 if sampled else level.clone()).requires_grad_(),
            )
            loss, diagnostics, state = made.loss(batch, state)
            applied.append(diagnostics["bonus_coefficient"])
            mean = float(batch.entropies.detach().mean())
            assert float(loss.detach()) == pytest.approx(-applied[-1] * mean, abs=tolerance)
            assert diagnostics["touched"] == (2 if applied[-1] else 0)
            after.append(state[0])
        assert applied == pytest.approx(expected[f"{convention}_applied_in_step"], abs=tolerance)
        assert after == pytest.approx(expected[f"{convention}_coef_after_step"], abs=tolerance)


def test_anchored_selective_entropy_is_that_of_the_reference(control: Control) -> None:
    inputs, expected, tolerance = vector("siren_entropy")
    logits = tensor(inputs["logits"]).requires_grad_()
    distribution = torch.log_softmax(logits, dim=-1)
    made = control(
        "anchored_selective_entropy.AnchoredSelectiveEntropy",
        coefficient=1.0,
        top_p=inputs["top_p"],
        quantile=inputs["peak_quantile"],
        anchor=inputs["anchor_entropy"],
    )
    nucleus = made.nucleus_entropy(distribution.detach())
    torch.testing.assert_close(nucleus, tensor(expected["top_p_entropy"]), atol=tolerance, rtol=0)
    mask = tensor(inputs["mask"]).bool()
    selected = made.peaks(nucleus, mask)
    assert torch.equal(selected, torch.tensor(expected["selected"]))
    batch = batch_of({"log_probs": nucleus.tolist(), "mask": inputs["mask"]}, distribution=distribution)
    loss, diagnostics, _ = made.loss(batch, None)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(expected["anchor_loss"], abs=tolerance)
    assert diagnostics["peak_entropy"] == pytest.approx(expected["aggregated_entropy"], abs=tolerance)
    assert diagnostics["touched"] == int(selected.sum())
    torch.testing.assert_close(logits.grad, tensor(expected["grad_logits"]), atol=tolerance, rtol=0)


@pytest.mark.parametrize("spread", [0.1, 1.0, 6.0], ids=["many words", "some words", "one word"])
def test_anchored_nucleus_is_that_of_the_whole_vocabulary_sorted(control: Control, spread: float) -> None:
    logits = spread * torch.randn(6, 5, 60, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    distribution = torch.log_softmax(logits, dim=-1).requires_grad_()
    made = control("anchored_selective_entropy.AnchoredSelectiveEntropy")
    likeliest, order = distribution.sort(dim=-1, descending=True)
    inside = (likeliest.exp().cumsum(dim=-1) <= made.top_p).index_fill(-1, torch.tensor(0), True)
    kept = torch.zeros_like(inside).scatter(-1, order, inside)
    renormalised = torch.softmax(distribution.masked_fill(~kept, -torch.inf), dim=-1)
    expected = torch.special.entr(renormalised.masked_fill(~kept, 1.0)).sum(dim=-1)
    found = made.nucleus_entropy(distribution)
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)
    slopes = [torch.autograd.grad(value.sum(), distribution)[0] for value in (found, expected)]
    torch.testing.assert_close(*slopes, atol=1e-12, rtol=0)


def test_anchor_is_the_entropy_of_the_first_update(control: Control) -> None:
    inputs, expected, tolerance = vector("siren_entropy")
    made = control("anchored_selective_entropy.AnchoredSelectiveEntropy")
    distribution = torch.log_softmax(tensor(inputs["logits"]), dim=-1)
    batch = batch_of(
        {"log_probs": distribution[..., 0].tolist(), "mask": inputs["mask"]}, distribution=distribution
    )
    loss, _, anchor = made.loss(batch, None)
    assert (float(loss), anchor) == (0.0, pytest.approx(expected["aggregated_entropy"], abs=tolerance))
    assert float(made.loss(batch, 0.6)[0]) == pytest.approx(5e-3 * expected["anchor_loss"], abs=tolerance)
    with pytest.raises(ValueError, match="distribution"):
        made.loss(batch_of({"log_probs": [[0.0]], "mask": [[1.0]]}, distribution=None), None)


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


@pytest.mark.parametrize("name", ["entropy_bonus", "entropy_bonus_seq_mean"])
def test_entropy_bonus_is_that_of_the_reference(control: Control, name: str) -> None:
    inputs, expected, tolerance = vector(name)
    logits = tensor(inputs["logits"]).requires_grad_()
    distribution = torch.log_softmax(logits / inputs["temperature"], dim=-1)
    chosen = torch.tensor(inputs["actions"])[..., None]
    bonus = control("entropy_bonus.EntropyBonus", coefficient=inputs["entropy_coef"])
    batch = batch_of(
        {**inputs, "log_probs": inputs["old_log_probs"]},
        logprobs=distribution.gather(2, chosen)[..., 0],
        entropies=-(distribution.exp() * distribution).sum(-1),
    )
    first, second = policy_loss(batch, inputs, inputs["aggregation"]), bonus.loss(batch, None)[0]
    (first + second).backward()
    assert float(first.detach()) == pytest.approx(expected["policy_loss"], abs=tolerance)
    assert float(second.detach()) == pytest.approx(
        -inputs["entropy_coef"] * expected["mean_entropy"], abs=tolerance
    )
    torch.testing.assert_close(logits.grad, tensor(expected["grad_logits"]), atol=tolerance, rtol=0)


def policy_loss(batch: Any, inputs: dict[str, Any], aggregation: str) -> Tensor:
    shared = importlib.import_module("controls.batch")
    values, _ = shared.clipped_policy_loss(batch, inputs["clip_low"], inputs["clip_high"])
    means = {"token-mean": shared.token_mean, "seq-mean-token-mean": shared.mean_of_sequence_means}
    loss: Tensor = means[aggregation](values, batch.mask)
    return loss


@pytest.mark.parametrize(("estimator", "name"), [("k1", "k1"), ("k2", "k2"), ("k3", "k3_unclamped")])
def test_kl_to_start_is_that_of_the_reference(control: Control, estimator: str, name: str) -> None:
    inputs, expected, tolerance = vector("kl_estimators")
    batch = batch_of(inputs)
    made = control("kl_to_start.KlToStart", coefficient=1.0, estimator=estimator)
    loss, diagnostics, _ = made.loss(batch, None)
    loss.backward()
    mean = expected[name]["masked_token_mean"]
    assert_matches(loss, batch.logprobs.grad, {**expected[name], "loss": mean}, tolerance)
    assert diagnostics["kl"] == pytest.approx(mean, abs=tolerance)


def test_kl_to_start_without_a_reference_is_refused(control: Control) -> None:
    inputs = {k: v for k, v in vector("kl_estimators")[0].items() if k != "ref_log_probs"}
    made = control("kl_to_start.KlToStart")
    with pytest.raises(ValueError, match="reference"):
        made.loss(batch_of(inputs), None)


# At the edges


EDGE = {
    "ppo_clip": ("ppo_clip.PpoClip", {"low": 0.2, "high": 0.28}),
    "clip_cov_select_all": (
        "clip_cov.ClipCov",
        {"fraction": 1.0, "lower": 0.05, "upper": 5.0, "low": 0.2, "high": 0.28},
    ),
    "kl_cov": ("kl_cov.KlCov", {"fraction": 0.1, "coefficient": 1.0}),
    "gppo": ("gppo.Gppo", {"low": 0.2, "high": 0.28, "cap": 10.0}),
    "cispo": ("cispo.Cispo", {"low": 0.2, "high": 0.28}),
    "gspo": ("gspo.Gspo", {"low": 0.2, "high": 0.28}),
    "forking_tokens_selected_mean": (
        "forking_tokens.ForkingTokens",
        {"fraction": 0.3, "low": 0.2, "high": 0.28},
    ),
}


@pytest.mark.parametrize("name", EDGE)
def test_edge_batch_gives_the_reference_whatever_the_padding_holds(control: Control, name: str) -> None:
    inputs, expected, tolerance = vector("edge_batch")
    kind, parameters = EDGE[name]
    batch = batch_of(inputs)
    loss, diagnostics, _ = control(kind, **parameters).loss(batch, None)
    loss.backward()
    assert_matches(loss, batch.logprobs.grad, expected[name], tolerance)
    assert (batch.logprobs.grad[~batch.mask] == 0).all()
    if "selected_indices" in expected[name]:
        assert diagnostics["touched"] == len(expected[name]["selected_indices"])


def test_every_case_of_the_edge_batch_is_tested() -> None:
    assert set(vector("edge_batch")[1]) == set(EDGE)


@pytest.mark.parametrize("name", [*LOSSES, *TERMS])
def test_padding_has_exactly_no_gradient_and_no_influence(control: Control, name: str) -> None:
    inputs = vector("edge_batch")[0]
    made, mask = control(name), tensor(inputs["mask"]).bool()

    def outcome(garbage: float) -> tuple[Tensor, Tensor, Tensor]:
        def padded(values: Tensor, scale: float = 1.0) -> Tensor:
            return values.detach().masked_fill(~mask, scale * garbage)

        plain = batch_of(inputs)
        batch = batch_of(
            inputs,
            logprobs=padded(plain.logprobs).requires_grad_(),
            old_logprobs=padded(plain.old_logprobs - 0.1, 100.0),
            reference_logprobs=padded(plain.old_logprobs, -100.0),
            advantages=padded(plain.advantages),
            entropies=padded(plain.entropies).requires_grad_(),
            distribution=plain.distribution.detach().masked_fill(~mask[..., None], garbage).requires_grad_(),
        )
        loss, diagnostics, _ = made.loss(batch, None)
        loss.backward()
        assert all(value == value for value in diagnostics.values())
        nothing = torch.zeros(mask.shape)
        gradients = [
            leaf.grad if leaf.grad is not None else nothing for leaf in (batch.logprobs, batch.entropies)
        ]
        return loss.detach(), gradients[0], gradients[1]

    clean, dirty = outcome(0.0), outcome(-30.0)
    for one, other in zip(clean, dirty, strict=True):
        assert torch.isfinite(one).all()
        torch.testing.assert_close(one, other, atol=1e-15, rtol=0)
    for gradient in dirty[1:]:
        assert (gradient[~mask] == 0).all()


@pytest.mark.parametrize("name", [*LOSSES, *TERMS])
def test_batch_without_a_single_token_gives_zero_and_no_gradient(control: Control, name: str) -> None:
    inputs = vector("edge_batch")[0]
    batch = batch_of(
        inputs, mask=torch.zeros(4, 7, dtype=torch.bool), reference_logprobs=tensor(inputs["old_log_probs"])
    )
    loss, _, _ = control(name).loss(batch, None)
    loss.backward()
    assert float(loss.detach()) == 0
    assert batch.logprobs.grad is None or (batch.logprobs.grad == 0).all()


def without_penalty(control: Control, name: str) -> Any:
    """KL-Cov's penalty is no matter of the advantage: it stays where all rewards are equal."""
    return control(name, coefficient=0.0) if name == "kl_cov.KlCov" else control(name)


@pytest.mark.parametrize("name", LOSSES)
def test_equal_rewards_move_nothing(control: Control, name: str) -> None:
    inputs = vector("edge_batch")[0]
    batch = batch_of(inputs, advantages=torch.zeros(4, 7))
    loss, _, _ = without_penalty(control, name).loss(batch, None)
    loss.backward()
    assert float(loss.detach()) == 0
    assert (batch.logprobs.grad == 0).all()


FINITE = st.floats(-3, 3)


@st.composite
def minibatches(draw: st.DrawFn) -> dict[str, Any]:
    """Any batch: ragged, with fully masked rows, on-policy or not, one advantage a row."""
    rows, length = draw(st.integers(1, 5)), draw(st.integers(1, 6))

    def tokens(values: st.SearchStrategy[Any]) -> list[list[Any]]:
        return draw(
            st.lists(st.lists(values, min_size=length, max_size=length), min_size=rows, max_size=rows)
        )

    lengths = [draw(st.integers(0, length)) for _ in range(rows)]
    new = tokens(st.floats(-6, -0.01))
    moved = draw(st.booleans())
    return {
        "log_probs": new,
        "old_log_probs": tokens(st.floats(-6, -0.01)) if moved else new,
        "ref_log_probs": tokens(st.floats(-6, -0.01)),
        "advantages": [draw(FINITE) for _ in range(rows)],
        "entropy": tokens(st.floats(0, 3)),
        "mask": [[float(at < n) for at in range(length)] for n in lengths],
    }


def outcome_of(made: Any, batch: Any) -> tuple[float, list[Tensor]]:
    torch.manual_seed(0)
    loss, diagnostics, _ = made.loss(batch, None)
    loss.backward()
    assert all(math.isfinite(value) for value in diagnostics.values())
    assert 0 <= diagnostics["touched"] <= int(batch.mask.sum())
    leaves = (batch.logprobs, batch.entropies, batch.distribution)
    return float(loss.detach()), [
        leaf.grad if leaf.grad is not None else torch.zeros_like(leaf) for leaf in leaves
    ]


anything = settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize("name", [*LOSSES, *TERMS])
@given(inputs=minibatches())
@anything
def test_any_batch_gives_a_finite_loss_and_padding_no_gradient(
    control: Control, name: str, inputs: dict[str, Any]
) -> None:
    batch = batch_of(inputs)
    loss, gradients = outcome_of(control(name), batch)
    assert math.isfinite(loss)
    for gradient in gradients:
        assert torch.isfinite(gradient).all()
        assert (gradient[~batch.mask] == 0).all()


@pytest.mark.parametrize("name", LOSSES)
@given(inputs=minibatches())
@anything
def test_zero_advantage_gives_zero_loss_and_gradient(
    control: Control, name: str, inputs: dict[str, Any]
) -> None:
    batch = batch_of({**inputs, "advantages": [0.0] * len(inputs["log_probs"])})
    loss, gradients = outcome_of(without_penalty(control, name), batch)
    assert loss == 0
    assert all((gradient == 0).all() for gradient in gradients)


@pytest.mark.parametrize("name", [name for name in (*LOSSES, *TERMS) if name != "clip_cov.ClipCov"])
@given(inputs=minibatches())
@anything
def test_order_of_sequences_changes_nothing(control: Control, name: str, inputs: dict[str, Any]) -> None:
    for number, row in enumerate(inputs["log_probs"]):  # no ties, which any order may break
        for at in range(len(row)):
            row[at] -= 1e-3 * (number * len(row) + at)
            inputs["entropy"][number][at] += 1e-3 * (number * len(row) + at)
    turned = {field: values[::-1] for field, values in inputs.items()}
    if name == "kl_cov.KlCov":
        batch = batch_of(inputs)
        spent = importlib.import_module("controls.batch").covariance(batch)[batch.mask].sort().values
        assume(bool((spent.diff() > 1e-9).all()))
    loss, gradients = outcome_of(control(name), batch_of(inputs))
    other, turned_gradients = outcome_of(control(name), batch_of(turned))
    assert loss == pytest.approx(other, abs=1e-10)
    for one, two in zip(gradients, turned_gradients, strict=True):
        torch.testing.assert_close(one, two.flip(0), atol=1e-10, rtol=1e-9)


TOKEN_MEAN_AT_RATIO_1 = (
    "ppo_clip.PpoClip",
    "dual_clip.DualClip",
    "clip_higher.ClipHigher",
    "gppo.Gppo",
    "ce_gppo.CeGppo",
    "cispo.Cispo",
    "cispo_absolute.CispoAbsolute",
    "kl_cov.KlCov",
)


@pytest.mark.parametrize("name", TOKEN_MEAN_AT_RATIO_1)
@given(inputs=minibatches())
@anything
def test_on_policy_every_clipped_form_is_the_policy_gradient(
    control: Control, name: str, inputs: dict[str, Any]
) -> None:
    batch = batch_of({**inputs, "old_log_probs": inputs["log_probs"]})
    _, (gradient, _, _) = outcome_of(control(name), batch)
    tokens = max(1, int(batch.mask.sum()))
    torch.testing.assert_close(gradient, -batch.advantages * batch.mask / tokens, atol=1e-12, rtol=1e-9)


@pytest.mark.parametrize("name", ADVANTAGES)
@given(right=st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=4))
@anything
def test_advantages_are_finite_whatever_was_right(
    control: Control, name: str, right: list[list[bool]]
) -> None:
    rewards = tensor(right)
    found = control(name).advantages(group_of(rewards))
    assert found.shape[:2] == rewards.shape
    assert torch.isfinite(found).all()
    made = control(name)
    if not getattr(made, "learns_from_equal_rewards", False):
        assert (found[rewards.std(dim=1) == 0] == 0).all() or name.startswith("batch_scaled")


@pytest.mark.parametrize("name", [*LOSSES, *TERMS, *ADVANTAGES, *AVERAGES, *SAMPLINGS])
def test_control_declares_its_kind_and_names_its_source(control: Control, name: str) -> None:
    made = control(name)
    kinds = {
        "loss": LOSSES, "term": TERMS, "advantage": ADVANTAGES, "average": AVERAGES, "sampling": SAMPLINGS
    }  # fmt: skip
    assert name in kinds[made.kind]
    assert type(made).__doc__
    documented = sys.modules[type(made).__module__].__doc__ or ""
    assert "arXiv" in documented or name == "last_iterate.LastIterate"
    with pytest.raises(AttributeError):
        made.kind = "other"


def test_every_control_of_the_template_is_tested_here() -> None:
    files = {path.stem for path in (TEMPLATES / "controls").glob("*.py")} - SHARED
    assert files == {name.split(".")[0] for name in (*LOSSES, *TERMS, *ADVANTAGES, *AVERAGES, *SAMPLINGS)}


# Together


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
