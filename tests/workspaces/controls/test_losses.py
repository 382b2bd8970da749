"""Losses agree with their references in value and gradient."""

from __future__ import annotations

import importlib

import pytest
import torch

from tests.vectors.read import tensor
from tests.workspaces.controls.vectors import Control, assert_matches, batch_of, group_of, vector

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
