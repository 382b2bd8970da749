"""What forking tokens promise: the right tokens, exactly so many, and honest shares."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluators.forking import forking_mask, forking_share, token_entropies
from tests.vectors.read import tensor, vector


def test_forking_tokens_are_those_of_the_official_code() -> None:
    inputs, expected, _ = vector("entropy/forking_tokens_selected_mean")
    found = forking_mask(tensor(inputs["entropy"]), tensor(inputs["mask"]), inputs["top_ratio"])
    assert torch.equal(found, tensor(expected["entropy_mask"]).bool())


@given(
    st.lists(st.tuples(st.floats(0, 9), st.booleans()), min_size=1, max_size=40),
    st.floats(0.01, 1),
)
@settings(deadline=None)
def test_so_many_tokens_are_chosen_and_none_below_one_left_out(
    tokens: list[tuple[float, bool]], fraction: float
) -> None:
    entropies = tensor([[h for h, _ in tokens]])
    mask = torch.tensor([[held for _, held in tokens]])
    chosen = forking_mask(entropies, mask, fraction)
    assert int(chosen.sum()) == math.ceil(fraction * int(mask.sum()))
    assert not (chosen & ~mask).any()
    if chosen.any() and (mask & ~chosen).any():
        assert entropies[chosen].min() >= entropies[mask & ~chosen].max()


def test_shares_count_entropy_and_gradient_of_the_chosen_tokens() -> None:
    entropies = tensor([[3.0, 1.0, 0.0, 50.0], [1.0, 0.0, 0.0, 50.0]])
    mask = torch.tensor([[True, True, True, False], [True, True, False, False]])
    share = forking_share(entropies, mask, 0.2, gradient_norms=tensor([[2.0, 2.0, 0.0, 9.0], [4.0, 0, 0, 9]]))
    assert (share.tokens, share.of_tokens, share.threshold) == (1, 0.2, 3.0)
    assert share.of_entropy == pytest.approx(3 / 5)
    assert share.of_gradient == pytest.approx(2 / 8)
    assert forking_share(entropies, mask, 0.2).of_gradient is None
    with pytest.raises(ValueError, match="at least one token"):
        forking_share(entropies, torch.zeros_like(mask), 0.2)
    with pytest.raises(ValueError, match="share of forking tokens"):
        forking_mask(entropies, mask, 0.0)


def test_words_are_listed_by_the_entropy_of_their_places() -> None:
    tokens = torch.tensor([[5, 7, 5, 9], [7, 7, 9, 9]])
    entropies = tensor([[2.0, 0.0, 1.0, 8.0], [0.3, 0.0, 8.0, 8.0]])
    mask = torch.tensor([[True, True, True, False], [True, True, False, False]])
    words = token_entropies(tokens, entropies, mask, fraction=0.4)
    assert [(w.token, w.count) for w in words] == [(5, 2), (7, 3)]
    assert words[0].mean_entropy == pytest.approx(1.5)
    assert (words[0].forking_share, words[1].forking_share) == (1.0, 0.0)
    assert [w.token for w in token_entropies(tokens, entropies, mask, least_count=3)] == [7]
