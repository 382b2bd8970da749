"""Made-up rollouts and minibatches, ordinary ones and those at the edges."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from controls.batch import Batch, Group

LENGTH_LIMIT = 16
LENGTH = 13
CARRY_GRADIENT = ("logprobs", "entropies", "distribution")
TENSORS = (*CARRY_GRADIENT, "old_logprobs", "advantages", "mask")


@dataclass(frozen=True)
class Inputs:
    """The values of a minibatch; `batch` makes one whose gradients arrive at `leaves`."""

    logprobs: Tensor
    old_logprobs: Tensor
    reference_logprobs: Tensor | None
    advantages: Tensor
    entropies: Tensor
    mask: Tensor
    distribution: Tensor

    @property
    def tokens(self) -> int:
        return int(self.mask.sum())

    def batch(self) -> tuple[Batch, dict[str, Tensor]]:
        """A batch of copies, as a training step has them: nothing of it is a leaf."""
        leaves = {name: getattr(self, name).clone().requires_grad_() for name in CARRY_GRADIENT}
        reference = self.reference_logprobs
        batch = Batch(
            logprobs=leaves["logprobs"].clone(),
            old_logprobs=self.old_logprobs.clone(),
            reference_logprobs=None if reference is None else reference.clone(),
            advantages=self.advantages.clone(),
            entropies=leaves["entropies"].clone(),
            mask=self.mask.clone(),
            distribution=leaves["distribution"].clone(),
            max_tokens=LENGTH_LIMIT,
        )
        return batch, leaves

    def without_advantage(self) -> Inputs:
        return replace(self, advantages=torch.zeros_like(self.advantages))

    def on_policy(self) -> Inputs:
        """Where neither the rollout's nor the starting policy differs from the current one."""
        reference = None if self.reference_logprobs is None else self.logprobs
        return replace(self, old_logprobs=self.logprobs, reference_logprobs=reference)

    def masked(self, mask: Tensor) -> Inputs:
        return replace(self, mask=mask)

    def padded(self, garbage: float) -> Inputs:
        """With this at the padding, as log-probabilities and entropies."""

        def filled(values: Tensor, scale: float = 1.0) -> Tensor:
            return values.masked_fill(~self.mask, scale * garbage)

        reference = self.reference_logprobs
        return replace(
            self,
            distribution=self.distribution.masked_fill(~self.mask[..., None], garbage),
            advantages=self.advantages.masked_fill(~self.mask, garbage),
            logprobs=filled(self.logprobs),
            old_logprobs=filled(self.old_logprobs, 100.0),
            reference_logprobs=None if reference is None else filled(reference, -100.0),
            entropies=filled(self.entropies),
        )

    def widened(self, columns: int) -> Inputs:
        """With so many more padded tokens in every row."""

        def wider(values: Tensor) -> Tensor:
            shape = (len(values), columns, *values.shape[2:])
            return torch.cat([values, torch.zeros(shape, dtype=values.dtype)], dim=1)

        reference = self.reference_logprobs
        values = {name: wider(getattr(self, name)) for name in TENSORS}
        return Inputs(**values, reference_logprobs=None if reference is None else wider(reference))


def inputs(
    seed: int,
    *,
    reference: bool,
    rows: int = 8,
    length: int = LENGTH,
    vocabulary: int = 12,
    sharpness: float = 1.5,
    drift: float = 0.3,
) -> Inputs:
    """Ragged responses, every other one right; `sharpness` spends entropy, `drift` is off-policy."""
    draw = torch.Generator().manual_seed(seed)
    logits = sharpness * torch.randn(rows, length, vocabulary, generator=draw, dtype=torch.float64)
    distribution = torch.log_softmax(logits, dim=-1)
    likely = distribution.exp().flatten(0, 1)
    chosen = torch.multinomial(likely, 1, generator=draw).view(rows, length, 1)
    logprobs = distribution.gather(2, chosen)[..., 0]

    def moved() -> Tensor:
        return logprobs + drift * torch.randn(rows, length, generator=draw, dtype=torch.float64)

    lengths = (
        torch.randint(2, length + 1, (rows, 1), generator=draw) if length > 2 else torch.tensor([[length]])
    )
    rewards = (torch.arange(rows) % 2).double()
    spread = float(rewards.std()) if rows > 1 else 1.0
    advantages = ((rewards - rewards.mean()) / spread if rows > 1 else rewards + 1.0)[:, None]
    kind = torch.get_default_dtype()
    return Inputs(
        logprobs=logprobs.to(kind),
        old_logprobs=moved().clamp(max=-1e-3).to(kind),
        reference_logprobs=moved().clamp(max=-1e-3).to(kind) if reference else None,
        advantages=advantages.expand(rows, length).contiguous().to(kind),
        entropies=-(distribution.exp() * distribution).sum(-1).to(kind),
        mask=torch.arange(length) < lengths,
        distribution=distribution.to(kind),
    )


def edges(reference: bool) -> dict[str, Inputs]:
    """Minibatches that do occur and that are easily forgotten."""
    usual = inputs(1, reference=reference)
    emptied = usual.mask.clone()
    emptied[0] = False
    far = inputs(2, reference=reference, drift=8.0)
    return {
        "a row without a token": usual.masked(emptied),
        "a batch without a token": usual.masked(torch.zeros_like(usual.mask)),
        "a single token": inputs(3, reference=reference, rows=1, length=1),
        "a single row": inputs(4, reference=reference, rows=1),
        "equal rewards": usual.without_advantage(),
        "a policy far from the rollout's": far,
        "a policy without entropy": inputs(5, reference=reference, sharpness=200.0, drift=0.0),
    }


def group(rewards: Tensor, seed: int = 0, garbage: float | None = None) -> Group:
    """A rollout of these rewards [prompts, samples]; `garbage` at the padding."""
    prompts, samples = rewards.shape
    rows = inputs(seed, reference=False, rows=prompts * samples)
    mask = rows.mask
    logprobs, entropies = rows.old_logprobs, rows.entropies
    if garbage is not None:
        logprobs, entropies = (part.masked_fill(~mask, garbage) for part in (logprobs, entropies))
    shape = (prompts, samples, -1)
    return Group(
        rewards=rewards.clone(),
        logprobs=logprobs.view(shape).clone(),
        entropies=entropies.view(shape).clone(),
        mask=mask.view(shape).clone(),
        max_tokens=LENGTH_LIMIT,
    )


def changed(holder: Batch | Group, before: dict[str, Tensor]) -> str | None:
    """The first tensor that is no longer what it was; None if all are."""
    for name, kept in before.items():
        now = getattr(holder, name)
        if not isinstance(now, Tensor) or now.shape != kept.shape or now._version:
            return name
        if not torch.equal(_comparable(now), _comparable(kept)):
            return name
    return None


def gradient_of(leaf: Tensor) -> Tensor:
    return torch.zeros_like(leaf) if leaf.grad is None else leaf.grad


def remembered(holder: Batch | Group) -> dict[str, Tensor]:
    found = {name: value for name, value in vars(holder).items() if isinstance(value, Tensor)}
    return {name: value.detach().clone() for name, value in found.items()}


def _comparable(values: Tensor) -> Tensor:
    values = values.detach()
    return values.nan_to_num(nan=7e30) if values.is_floating_point() else values
