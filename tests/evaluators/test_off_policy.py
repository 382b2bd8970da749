"""What the diagnostics of stale rollouts promise."""

from __future__ import annotations

import pytest
import torch

from evaluators.off_policy import clip_fraction, effective_sample_size, kl_estimates
from tests.vectors.read import tensor, vector


@pytest.mark.parametrize("name", ["ppo_clip", "dapo_clip_higher"])
def test_clip_fraction_is_that_of_the_vector(name: str) -> None:
    inputs, expected, tolerance = vector(f"entropy/{name}")
    found = clip_fraction(
        tensor(inputs["log_probs"]) - tensor(inputs["old_log_probs"]),
        tensor(inputs["advantages"]),
        tensor(inputs["mask"]),
        low=inputs["clip_low"],
        high=inputs["clip_high"],
    )
    assert found == pytest.approx(expected["clip_fraction"], abs=tolerance)


def test_kl_estimates_are_those_of_the_vector() -> None:
    inputs, expected, tolerance = vector("entropy/kl_estimators")
    found = kl_estimates(tensor(inputs["log_probs"]), tensor(inputs["ref_log_probs"]), tensor(inputs["mask"]))
    for name in ("k1", "k2"):
        assert found[name] == pytest.approx(expected[name]["masked_token_mean"], abs=tolerance)
    assert found["k3"] == pytest.approx(expected["k3_unclamped"]["masked_token_mean"], abs=tolerance)


def test_effective_sample_size_is_whole_on_policy_and_one_token_at_the_worst() -> None:
    mask = torch.tensor([[True, True, True, True, False]])
    assert effective_sample_size(torch.full((1, 5), 3.0), mask) == pytest.approx(1.0)
    assert effective_sample_size(tensor([[900.0, 0, 0, 0, 2000.0]]), mask) == pytest.approx(0.25)
    halves = tensor([[0.0, 0.0, -900.0, -900.0, 0.0]])
    assert effective_sample_size(halves, mask) == pytest.approx(0.5)


def test_batches_without_a_token_are_refused() -> None:
    nothing, mask = torch.zeros(1, 2), torch.zeros(1, 2).bool()
    for call in (
        lambda: effective_sample_size(nothing, mask),
        lambda: clip_fraction(nothing, nothing, mask),
        lambda: kl_estimates(nothing, nothing, mask),
    ):
        with pytest.raises(ValueError, match="at least one token"):
            call()
