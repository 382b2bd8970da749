"""Token entropy of a policy from its logits: exact, masked, in memory that does not grow with the vocabulary.

Owns the entropy of next-token distributions and its summaries, in nats. Which tokens fork belongs to
`evaluators.forking`, how entropy changes in training to `evaluators.entropy_change`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

# Logits worked on at once: a chunk and its exponentials stay within a core's cache, or fill a GPU.
CPU_CHUNK = 2**18
CUDA_CHUNK = 2**26
# Below the logarithm of the least float64, so that exp() of it is exactly 0; -inf would make 0 * -inf.
NO_CHANCE = -1e4


def token_entropy(logits: Tensor, *, temperature: float = 1.0) -> Tensor:
    """Entropy in nats of softmax(logits / temperature) at every position, with gradient.

    H = logsumexp(z) - sum_v p_v z_v with z = logits / temperature. Computed in float32, or in float64
    where the logits are, a few rows at a time: beside the logits, memory holds two chunks and three
    numbers a position (the gradient, where one is asked for, is as large as the logits). On one core
    about 1.2 ns a logit of any type, with the gradient 3 to 4. A logit of -inf is a token without a
    chance and adds nothing. dH/dlogits_v = -p_v (log p_v + H) / temperature.

    Args:
        logits: [..., vocabulary], of any floating type. Position t scores token t + 1.
        temperature: above 0. Compare runs at one temperature: the number hangs on it.

    Returns:
        [...]: between 0 and log(vocabulary); NaN where every logit is -inf.

    Raises:
        ValueError: the temperature is not above 0, or there is no vocabulary.
    """
    if not temperature > 0:
        raise ValueError(f"the temperature of an entropy must be above 0, got {temperature}")
    if logits.ndim < 1 or logits.shape[-1] < 1:
        raise ValueError(f"logits need a last dimension over the vocabulary, got shape {tuple(logits.shape)}")
    return _Entropy.apply(logits, temperature)  # type: ignore[no-any-return, no-untyped-call]


def top_p_entropy(logits: Tensor, top_p: float, *, temperature: float = 1.0) -> Tensor:
    """Entropy in nats of the nucleus, renormalised: what a policy under truncated sampling chooses from.

    The nucleus holds the likeliest tokens up to and including the one with which their mass reaches
    `top_p` (Holtzman et al. 2020, arXiv 1904.09751). Differentiable; sorts the vocabulary.

    Args:
        logits: [..., vocabulary].
        top_p: within (0, 1].

    Raises:
        ValueError: top_p or the temperature out of range.
    """
    if not 0 < top_p <= 1 or not temperature > 0:
        raise ValueError(f"need top_p within (0, 1] and a temperature above 0, got {top_p} and {temperature}")
    precise = logits if logits.dtype == torch.float64 else logits.float()
    scaled = torch.log_softmax(precise / temperature, dim=-1)
    likeliest, order = scaled.sort(dim=-1, descending=True)
    before = likeliest.exp().cumsum(dim=-1) - likeliest.exp()
    outside = torch.empty_like(before, dtype=torch.bool).scatter(-1, order, before >= top_p)
    return token_entropy(scaled.masked_fill(outside, -torch.inf))


def token_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over all tokens that `mask` holds; NaN where it holds none. Both [rows, length]."""
    return values.masked_fill(~mask.bool(), 0.0).sum() / mask.sum()


def mean_of_sequence_means(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over sequences of each one's token mean; rows without a token do not count.

    On ragged batches it differs from `token_mean`: say which of the two a number is.
    """
    lengths = mask.sum(dim=1)
    means = values.masked_fill(~mask.bool(), 0.0).sum(dim=1) / lengths.clamp(min=1)
    return means[lengths > 0].mean()


def entropy_quantiles(entropies: Tensor, mask: Tensor, levels: Sequence[float]) -> list[float]:
    """Quantiles of the entropies (nats) of the tokens that `mask` holds, interpolated linearly.

    Few tokens carry the mean of a trained policy: its quantiles say what the mean hides.

    Raises:
        ValueError: the mask holds no token, or a level is not within [0, 1].
    """
    held = entropies.detach()[mask.bool()]
    if not len(held):
        raise ValueError("quantiles of the entropy need at least one token")
    if not all(0 <= level <= 1 for level in levels):
        raise ValueError(f"levels of quantiles must lie within [0, 1], got {list(levels)}")
    ordered = held.double().sort().values
    places = torch.tensor(list(levels), dtype=torch.float64, device=ordered.device) * (len(ordered) - 1)
    below, above = places.floor().long(), places.ceil().long()
    found: list[float] = torch.lerp(ordered[below], ordered[above], places - below).tolist()
    return found


class _Entropy(torch.autograd.Function):
    """The entropy by chunks; backward takes the exponentials again instead of keeping them."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, temperature: float) -> Tensor:
        precise = torch.float64 if logits.dtype == torch.float64 else torch.float32
        entropies = torch.empty(logits.shape[:-1], dtype=precise, device=logits.device)
        peaks, masses = torch.empty_like(entropies), torch.empty_like(entropies)

        def fill(
            shifted: Tensor, weights: Tensor, part: Tensor, entropy: Tensor, peak: Tensor, mass: Tensor
        ) -> None:
            torch.amax(shifted.copy_(part), dim=-1, out=peak)
            _shift(shifted, peak, temperature)
            torch.sum(torch.exp(shifted, out=weights), dim=-1, out=mass)
            entropy.copy_(mass.log() - weights.mul_(shifted).sum(dim=-1) / mass)

        _by_chunks(fill, logits, entropies, peaks, masses)
        ctx.save_for_backward(logits, entropies, peaks, masses)
        ctx.temperature = temperature
        return entropies

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        logits, entropies, peaks, masses = ctx.saved_tensors
        gradient = torch.empty_like(logits)
        offsets = entropies - masses.log()
        scales = upstream / (masses * -ctx.temperature)

        def fill(
            shifted: Tensor,
            weights: Tensor,
            part: Tensor,
            out: Tensor,
            peak: Tensor,
            offset: Tensor,
            scale: Tensor,
        ) -> None:
            _shift(shifted.copy_(part), peak, ctx.temperature)
            torch.exp(shifted, out=weights)
            out.copy_(weights.mul_(shifted.add_(offset[:, None])).mul_(scale[:, None]))

        _by_chunks(fill, logits, gradient, peaks, offsets, scales)
        return gradient, None


def _shift(logits: Tensor, peak: Tensor, temperature: float) -> None:
    """Logits over temperature less their row's largest, in place; without a chance is NO_CHANCE."""
    logits.sub_(peak[:, None])
    if temperature != 1.0:
        logits.div_(temperature)
    logits.clamp_(min=NO_CHANCE)


def _by_chunks(work: Callable[..., object], logits: Tensor, *others: Tensor) -> None:
    """Call `work` with two buffers and matching rows of everything, few enough that a chunk stays small.

    The buffers are as wide as the logits and as precise as the rest, and the same for every chunk: fresh
    ones are given back to the system after each, and asking for them again costs four times the
    arithmetic. What cannot be flattened as a view (a slice of the positions) is worked on one leading
    index at a time: flattening would copy all of the logits.
    """
    if logits.ndim > 2 and not logits.is_contiguous():
        for parts in zip(logits, *others, strict=True):
            _by_chunks(work, *parts)
        return
    vocabulary = logits.shape[-1]
    wide = [
        tensor.reshape(-1, vocabulary) if tensor.shape == logits.shape else tensor.reshape(-1)
        for tensor in (logits, *others)
    ]
    rows = max(1, (CUDA_CHUNK if logits.is_cuda else CPU_CHUNK) // vocabulary)
    precise = others[-1].dtype
    buffers = torch.empty(2, min(rows, len(wide[0])), vocabulary, dtype=precise, device=logits.device)
    for parts in zip(*(tensor.split(rows) for tensor in wide), strict=True):
        work(*buffers[:, : len(parts[0])], *parts)
