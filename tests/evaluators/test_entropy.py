"""What the measure of entropy promises: exact, bounded, blind to padding, small in memory."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from evaluators import entropy
from evaluators.entropy import (
    entropy_quantiles,
    mean_of_sequence_means,
    token_entropy,
    token_mean,
    top_p_entropy,
)
from tests.vectors.read import tensor, vector


def test_entropy_and_its_gradient_are_those_of_the_vector() -> None:
    inputs, expected, tolerance = vector("entropy/token_entropy")
    logits = tensor(inputs["logits"]).requires_grad_()
    mask = tensor(inputs["mask"]).bool()
    found = token_entropy(logits, temperature=inputs["temperature"])
    torch.testing.assert_close(found.detach(), tensor(expected["entropy"]), atol=tolerance, rtol=0)
    mean = token_mean(found, mask)
    mean.backward()
    assert float(mean.detach()) == pytest.approx(expected["masked_token_mean"], abs=tolerance)
    torch.testing.assert_close(logits.grad, tensor(expected["grad_logits"]), atol=tolerance, rtol=0)
    assert float(mean_of_sequence_means(found, mask).detach()) == pytest.approx(
        expected["mean_of_sequence_means"], abs=tolerance
    )
    nucleus = top_p_entropy(logits.detach(), inputs["top_p"])
    torch.testing.assert_close(nucleus, tensor(expected["top_p_entropy"]), atol=tolerance, rtol=0)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_gradient_is_that_of_finite_differences(temperature: float) -> None:
    logits = torch.randn(3, 4, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    logits[0, 0, :3] = -40.0
    assert torch.autograd.gradcheck(
        lambda z: token_entropy(z, temperature=temperature), logits.requires_grad_()
    )
    assert torch.autograd.gradcheck(lambda z: top_p_entropy(z, 0.8, temperature=temperature), logits[1:])


@given(
    st.lists(st.floats(-500, 500), min_size=1, max_size=40),
    st.floats(0.05, 20),
)
@settings(deadline=None)
def test_entropy_lies_between_nothing_and_the_logarithm_of_the_vocabulary(
    logits: list[float], temperature: float
) -> None:
    found = float(token_entropy(tensor([logits]), temperature=temperature))
    assert -1e-12 <= found <= math.log(len(logits)) + 1e-12


def test_uniform_certain_and_impossible_tokens_have_the_entropy_they_must() -> None:
    never = -torch.inf
    logits = tensor([[0.0, 0.0, 0.0, 0.0], [900.0, 0.0, 0.0, 0.0], [1.0, 1.0, never, never]])
    logits.requires_grad_()
    found = token_entropy(logits)
    torch.testing.assert_close(found.detach(), tensor([math.log(4), 0.0, math.log(2)]))
    found.sum().backward()
    assert torch.isfinite(logits.grad).all()  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_narrow_logits_are_summed_in_float32(dtype: torch.dtype) -> None:
    logits = torch.randn(5, 3000, generator=torch.Generator().manual_seed(1)).to(dtype)
    found = token_entropy(logits)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), token_entropy(logits.double()), atol=2e-6, rtol=0)


def test_entropy_does_not_hang_on_chunks_or_strides(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = torch.randn(4, 9, 30, dtype=torch.float64, generator=torch.Generator().manual_seed(2))

    def outcome(shown: Tensor) -> tuple[Tensor, Tensor]:
        leaf = logits.clone().requires_grad_()
        found = token_entropy(leaf[:, :-1] if shown is not logits else leaf[:, :-1].contiguous())
        found.square().sum().backward()
        return found.detach(), leaf.grad  # type: ignore[return-value]

    whole = outcome(logits)
    for chunk in (1, 60, 70):
        monkeypatch.setattr(entropy, "CPU_CHUNK", chunk)
        for one, other in zip(whole, outcome(logits[:, :-1]), strict=True):
            torch.testing.assert_close(one, other, atol=1e-14, rtol=0)


def test_padding_enters_no_mean_and_no_quantile() -> None:
    values = tensor([[0.1, 0.2, 9.0], [0.4, torch.nan, torch.inf]])
    mask = torch.tensor([[True, True, False], [True, False, False]])
    assert float(token_mean(values, mask)) == pytest.approx(0.7 / 3)
    assert float(mean_of_sequence_means(values, mask)) == pytest.approx((0.15 + 0.4) / 2)
    assert entropy_quantiles(values, mask, [0.0, 0.5, 1.0]) == pytest.approx([0.1, 0.2, 0.4])
    assert math.isnan(float(token_mean(values, torch.zeros_like(mask))))


@given(st.lists(st.floats(0, 12), min_size=1, max_size=50), st.floats(0, 1))
@settings(deadline=None)
def test_quantiles_are_those_of_torch(values: list[float], level: float) -> None:
    entropies = tensor([values])
    found = entropy_quantiles(entropies, torch.ones_like(entropies).bool(), [level])
    assert found == pytest.approx([float(torch.quantile(entropies, level))], abs=1e-9)


def test_what_has_no_entropy_is_refused() -> None:
    with pytest.raises(ValueError, match="temperature"):
        token_entropy(torch.zeros(2, 3), temperature=0.0)
    with pytest.raises(ValueError, match="temperature"):
        token_entropy(torch.zeros(2, 3), temperature=math.nan)
    with pytest.raises(ValueError, match="vocabulary"):
        token_entropy(torch.zeros(2, 0))
    with pytest.raises(ValueError, match="top_p"):
        top_p_entropy(torch.zeros(2, 3), 0.0)
    with pytest.raises(ValueError, match="at least one token"):
        entropy_quantiles(torch.zeros(1, 2), torch.zeros(1, 2).bool(), [0.5])
    with pytest.raises(ValueError, match="levels"):
        entropy_quantiles(torch.zeros(1, 2), torch.ones(1, 2).bool(), [1.5])


PEAK = """
import torch
from evaluators.entropy import token_entropy

def high_water() -> int:
    status = open("/proc/self/status").read()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])

torch.set_num_threads(1)
token_entropy(torch.zeros(2, 8))
logits = torch.zeros(1, {rows}, 150_000, dtype=torch.{dtype}){slice}
before = high_water()
token_entropy(logits)
print((high_water() - before) / (4 * logits.numel()))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("dtype", "slice"), [("float32", ""), ("bfloat16", ""), ("float32", "[:, :-1]")])
def test_large_vocabulary_is_not_copied(dtype: str, slice: str) -> None:
    code = PEAK.format(rows=512, dtype=dtype, slice=slice)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 0.05
