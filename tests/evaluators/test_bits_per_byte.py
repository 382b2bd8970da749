"""Bits a token are those of torch's own cross entropy, whatever is done to the logits' scale."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from environments.language_model.shape import config_of
from evaluators.bits_per_byte import most_bits, predict
from evaluators.policy import Policy


def policy_and_tokens() -> tuple[Policy, torch.Tensor]:
    torch.manual_seed(1)
    policy = Policy(config_of(width=16, layers=2, heads=2, feed_forward=16)).eval()
    return policy, torch.randint(0, policy.config.vocab_size, (40, 12))


def test_bits_are_the_cross_entropy_of_the_next_token() -> None:
    policy, tokens = policy_and_tokens()
    found = predict(policy, tokens)
    with torch.no_grad():
        logits = policy(tokens[:, :-1])
    expected = functional.cross_entropy(logits.transpose(1, 2), tokens[:, 1:], reduction="none").mean(1)
    assert found.bits == pytest.approx((expected / math.log(2)).tolist(), abs=1e-4)
    own = torch.log_softmax(logits, -1)
    assert found.entropies == pytest.approx((-(own.exp() * own).sum(-1)).mean(1).tolist(), abs=1e-3)
    assert found.hits == pytest.approx((logits.argmax(-1) == tokens[:, 1:]).float().mean(1).tolist())


def test_adding_to_all_logits_wins_nothing() -> None:
    """A policy cannot claim more probability than there is."""
    policy, tokens = policy_and_tokens()
    plain = predict(policy, tokens).bits
    policy.register_forward_hook(lambda _, __, logits: logits + 1e3)
    assert predict(policy, tokens).bits == pytest.approx(plain, abs=1e-4)


def test_no_token_costs_more_than_the_bound() -> None:
    policy, tokens = policy_and_tokens()
    with torch.no_grad():
        policy.lm_head.weight.mul_(1e4)
    bits = predict(policy, tokens).bits
    assert 8.0 < max(bits) <= most_bits(policy.config.vocab_size)
