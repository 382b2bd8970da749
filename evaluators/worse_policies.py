"""Policies that are known to be worse than a trained one: noised, shuffled, emptied, or of one answer.

Owns how they are made from a policy folder; what they score tells whether a metric can be trusted.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from evaluators.policy import Policy

WEIGHTS_FILE = "model.safetensors"
LARGEST_LOSS = 0.01

Array = NDArray[np.generic]


class CannotDegrade(ValueError):
    """The folder's weights cannot be read as tensors; the message says why."""


def noised(policy: Path, out: Path, *, scale: float, seed: int) -> Path:
    """A copy with normal noise on every tensor, of `scale` times the tensor's own standard deviation.

    Raises:
        CannotDegrade: the weights are no safetensors file that numpy can read.
    """
    generator = np.random.default_rng(seed)

    def change(values: Array) -> Array:
        noise = generator.normal(0.0, scale * float(np.std(values.astype(np.float64))) + 1e-12, values.shape)
        return (values.astype(np.float64) + noise).astype(values.dtype)

    return _changed(policy, out, change)


def shuffled(policy: Path, out: Path, *, seed: int) -> Path:
    """A copy whose weights are in random order within every tensor: nothing that was learned is left.

    Raises what `noised` raises.
    """
    generator = np.random.default_rng(seed)
    return _changed(policy, out, lambda values: generator.permutation(values.ravel()).reshape(values.shape))


def emptied(policy: Path, out: Path) -> Path:
    """A copy with every weight 0: the same answer, or the same distribution, whatever is asked.

    Raises what `noised` raises.
    """
    return _changed(policy, out, np.zeros_like)


def of_one_answer(
    policy: Policy, tokenizer: Tokenizer, prompts: Sequence[str], answer: str, out: Path, *, seed: int
) -> float:
    """Teach a policy, in place, to answer every prompt by `answer`; write it to `out` and return the loss.

    The policy's learning is ended at a loss of 0.01 nats a token, or after 400 steps.
    """
    import torch

    from evaluators.policy import save_policy
    from evaluators.sampling import encode_prompts, response_logits

    config = policy.config
    generator = torch.Generator().manual_seed(seed)
    ids, mask = encode_prompts(tokenizer, prompts, config.pad_token_id)
    ids, mask = ids.to(policy.device), mask.to(policy.device)
    wanted = torch.tensor([*tokenizer.encode(answer, add_special_tokens=False).ids, config.eos_token_id])
    wanted = wanted.to(policy.device)
    optimiser = torch.optim.AdamW(policy.parameters(), lr=3e-3, weight_decay=0.0)
    loss = torch.tensor(torch.inf)
    for _ in range(400):
        rows = torch.randint(len(prompts), (32,), generator=generator).to(policy.device)
        target = wanted.expand(len(rows), -1)
        logits = response_logits(policy, ids[rows], mask[rows], target)
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), target.flatten())
        if float(loss.detach()) < LARGEST_LOSS:
            break
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
    save_policy(policy, out)
    return float(loss.detach())


def _changed(policy: Path, out: Path, change: Callable[[Array], Array]) -> Path:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file, save_file

    try:
        weights = load_file(policy / WEIGHTS_FILE)
    except (SafetensorError, OSError, KeyError, TypeError, AttributeError) as error:
        raise CannotDegrade(f"{policy / WEIGHTS_FILE} holds no tensors: {error}") from error
    out.mkdir(parents=True, exist_ok=True)
    for file in policy.iterdir():
        if file.is_file() and file.name != WEIGHTS_FILE:
            shutil.copyfile(file, out / file.name)
    save_file({name: change(values) for name, values in weights.items()}, out / WEIGHTS_FILE)
    return out
