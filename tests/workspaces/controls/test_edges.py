"""Padding, empty batches and equal rewards move nothing."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.vectors.read import tensor
from tests.workspaces.controls.vectors import (
    LOSSES,
    TERMS,
    Control,
    assert_matches,
    batch_of,
    vector,
    without_penalty,
)

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


@pytest.mark.parametrize("name", LOSSES)
def test_equal_rewards_move_nothing(control: Control, name: str) -> None:
    inputs = vector("edge_batch")[0]
    batch = batch_of(inputs, advantages=torch.zeros(4, 7))
    loss, _, _ = without_penalty(control, name).loss(batch, None)
    loss.backward()
    assert float(loss.detach()) == 0
    assert (batch.logprobs.grad == 0).all()
