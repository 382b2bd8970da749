"""What the covariance promises: it foretells how entropy moves."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluators.entropy import token_entropy
from evaluators.entropy_change import covariance_profile, predicted_entropy_change, token_covariance
from tests.vectors.read import tensor, vector


def test_prediction_is_that_of_the_published_theorems() -> None:
    inputs, expected, tolerance = vector("entropy/entropy_covariance")
    logits, rate = tensor(inputs["logits"]), inputs["learning_rate"]
    advantage, probabilities = tensor(expected["advantage"]), tensor(expected["probabilities"])
    moves = {"policy_gradient": rate * probabilities * advantage, "natural_gradient": rate * advantage}
    for name, move in moves.items():
        predicted = float(predicted_entropy_change(logits, move))
        assert predicted == pytest.approx(expected[f"predicted_delta_entropy_{name}"], abs=tolerance)
        exact = float(token_entropy(logits + move) - token_entropy(logits))
        assert exact == pytest.approx(expected[f"exact_delta_entropy_{name}"], abs=tolerance)
        assert predicted == pytest.approx(exact, rel=0.01)


@given(
    st.lists(st.tuples(st.floats(-6, 6), st.floats(-1, 1)), min_size=2, max_size=12),
    st.floats(-50, 50),
)
@settings(deadline=None)
def test_prediction_is_the_derivative_and_a_common_shift_moves_nothing(
    pairs: list[tuple[float, float]], shift: float
) -> None:
    logits, change = tensor([z for z, _ in pairs]).requires_grad_(), tensor([dz for _, dz in pairs])
    token_entropy(logits).backward()
    predicted = float(predicted_entropy_change(logits.detach(), change))
    assert predicted == pytest.approx(float(logits.grad @ change), abs=1e-9)  # type: ignore[operator]
    assert float(predicted_entropy_change(logits.detach(), change + shift)) == pytest.approx(
        predicted, abs=1e-9
    )


def test_impossible_tokens_do_not_spoil_the_prediction() -> None:
    logits = tensor([0.3, -0.2, -torch.inf])
    found = predicted_entropy_change(logits, tensor([0.1, 0.0, 5.0]))
    assert float(found) == pytest.approx(float(predicted_entropy_change(logits[:2], tensor([0.1, 0.0]))))


def test_token_covariance_is_that_of_the_vector_and_padding_has_none() -> None:
    inputs, expected, tolerance = vector("entropy/clip_cov")
    logprobs, mask = tensor(inputs["log_probs"]), tensor(inputs["mask"]).bool()
    advantages = tensor(inputs["advantages"])
    found = token_covariance(logprobs.masked_fill(~mask, -77.0), advantages, mask)
    torch.testing.assert_close(found, tensor(expected["covariance"]), atol=tolerance, rtol=0)
    assert (found[~mask] == 0).all()
    by_row = token_covariance(logprobs, advantages[:, 0], mask)
    torch.testing.assert_close(by_row, token_covariance(logprobs, advantages[:, :1], mask))


def test_profile_names_mean_and_the_few_tokens_that_carry_it() -> None:
    logprobs = tensor([[-1.0] * 9 + [-9.0]])
    advantages = tensor([[0.0] * 9 + [-5.0]])
    profile = covariance_profile(logprobs, advantages, torch.ones(1, 10), top_fraction=0.1)
    assert (profile.tokens, profile.top_tokens) == (10, 1)
    assert profile.mean == pytest.approx(0.1 * 0.9 * 8 * 5)
    assert profile.top_mean == pytest.approx(0.9 * 0.9 * 8 * 5)
    with pytest.raises(ValueError, match="need tokens"):
        covariance_profile(logprobs, advantages, torch.zeros(1, 10))
