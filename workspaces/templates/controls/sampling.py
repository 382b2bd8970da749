"""What sampling controls see: a request for groups of samples, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from torch import Tensor


@dataclass(frozen=True)
class Request:
    """So many prompts with so many samples each, from softmax(logits / temperature)."""

    prompts: int
    samples: int
    temperature: float


class Sampled(Protocol):
    """Samples and their rewards [prompts, samples]; row p * samples + i is sample i of prompt p."""

    @property
    def rewards(self) -> Tensor: ...

    def groups(self, indices: Sequence[int]) -> Sampled:
        """Only these prompts, with all of their samples."""

    def joined(self, other: Sampled) -> Sampled:
        """These prompts and then the other's."""


Draw: TypeAlias = Callable[[Request], Sampled]
