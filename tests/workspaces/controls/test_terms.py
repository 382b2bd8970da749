"""Terms agree with their references in value and gradient."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.vectors.read import tensor
from tests.workspaces.controls.vectors import Control, assert_matches, batch_of, vector


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
