"""Draw completions from a policy, with the log-probability and entropy of every sampled token.

One sampler serves scoring outside the sandbox and training inside it. Owns sampling and tokenising;
architecture and files belong to `evaluators.policy`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

from evaluators.hugging_face import ChatTokenizer, load_chat_tokenizer, needs_transformers
from evaluators.policy import Policy

TOKENIZER_FILE = "tokenizer.json"


@dataclass(frozen=True)
class Completions:
    """Samples of several prompts; row p * samples + i is sample i of prompt p.

    tokens [rows, length] padded after the end token; logprobs [rows, length] in nats under the
    sampling distribution; entropies [rows, length] in nats, of the same distribution; mask
    [rows, length], True up to and including the end token.
    """

    tokens: Tensor
    logprobs: Tensor
    entropies: Tensor
    mask: Tensor

    @property
    def mean_entropy(self) -> float:
        """Token mean, nats."""
        return float(self.entropies[self.mask].mean())


def load_tokenizer(folder: Path) -> Tokenizer | ChatTokenizer:
    """Read the tokenizer of a policy; prompts go through its chat template where it has one.

    Raises:
        ValueError: there is none, or it is damaged.
    """
    if not needs_transformers(folder):
        return _read_tokenizer(folder)
    return load_chat_tokenizer(folder)


def _read_tokenizer(folder: Path) -> Tokenizer:
    try:
        return Tokenizer.from_file(str(folder / TOKENIZER_FILE))
    except Exception as error:
        raise ValueError(f"{folder / TOKENIZER_FILE} cannot be read: {error}") from error


def encode_prompts(
    tokenizer: Tokenizer | ChatTokenizer, prompts: Sequence[str], pad: int
) -> tuple[Tensor, Tensor]:
    """Token ids [prompts, length], left-padded, and their mask (True = token)."""
    rows = [encoding.ids for encoding in tokenizer.encode_batch(list(prompts))]
    length = max(len(row) for row in rows)
    ids = torch.tensor([[pad] * (length - len(row)) + row for row in rows])
    lengths = torch.tensor([len(row) for row in rows])
    return ids, torch.arange(length)[None] >= length - lengths[:, None]


def decode_completions(tokenizer: Tokenizer | ChatTokenizer, completions: Completions) -> list[str]:
    """The text of every row, without special tokens."""
    rows = completions.tokens.tolist()
    lengths = completions.mask.sum(dim=1).tolist()
    return tokenizer.decode_batch([row[:length] for row, length in zip(rows, lengths, strict=True)])


@torch.no_grad()
def sample(
    policy: Policy,
    prompts: Tensor,
    prompt_mask: Tensor,
    *,
    samples: int,
    max_tokens: int,
    generator: torch.Generator,
    temperature: float = 1.0,
) -> Completions:
    """Draw `samples` completions a prompt from softmax(logits / temperature).

    Args:
        prompts: [prompts, length] ids, left-padded; on any device.
        prompt_mask: [prompts, length], True = token.
        max_tokens: length limit of a completion, the end token included.
        generator: on the policy's device; the samples are a function of its state.

    Returns:
        Completions of prompts * samples rows, on the policy's device.
    """
    device = policy.device
    prompts, prompt_mask = prompts.to(device), prompt_mask.to(device)
    count, width = prompts.shape
    rows = count * samples
    cache = policy.new_cache(width + max_tokens)
    padded = not bool(prompt_mask.all())
    positions = visible = None
    if padded:
        positions = (prompt_mask.cumsum(dim=1) - 1).clamp(min=0)
        causal = torch.ones(width, width, dtype=torch.bool, device=device).tril()
        attend = causal & prompt_mask[:, None, :]
        attend |= torch.eye(width, dtype=torch.bool, device=device)
        logits = policy(prompts, keep=1, positions=positions, mask=attend[:, None], cache=cache)
        positions = positions[:, -1:].repeat_interleave(samples, dim=0)
        visible = prompt_mask.repeat_interleave(samples, dim=0)
    else:
        logits = policy(prompts, keep=1, cache=cache)
    policy.repeat_cache(cache, samples)
    logits = logits[:, -1].repeat_interleave(samples, dim=0)

    config = policy.config
    tokens = torch.full((rows, max_tokens), config.pad_token_id, dtype=torch.long, device=device)
    logprobs = torch.zeros(rows, max_tokens, device=device)
    entropies = torch.zeros(rows, max_tokens, device=device)
    mask = torch.zeros(rows, max_tokens, dtype=torch.bool, device=device)
    alive = torch.ones(rows, dtype=torch.bool, device=device)
    ends = torch.tensor(config.eos_token_ids, device=device)
    length = max_tokens
    for index in range(max_tokens):
        scaled = torch.log_softmax(logits.float() / temperature, dim=-1)
        probabilities = scaled.exp()
        chosen = draw(probabilities, generator)
        chosen = torch.where(alive, chosen, config.pad_token_id)
        tokens[:, index] = chosen
        logprobs[:, index] = scaled.gather(1, chosen[:, None])[:, 0] * alive
        entropies[:, index] = -(probabilities * scaled.clamp(min=-1e9)).sum(dim=-1) * alive
        mask[:, index] = alive
        alive = alive & (chosen[:, None] != ends).all(dim=1)
        if index + 1 == max_tokens or not bool(alive.any()):
            length = index + 1
            break
        if padded and positions is not None and visible is not None:
            positions = positions + 1
            visible = torch.cat((visible, torch.ones_like(visible[:, :1])), dim=1)
            attend = visible[:, None, None, :]
            logits = policy(chosen[:, None], positions=positions, mask=attend, cache=cache)[:, -1]
        else:
            logits = policy(chosen[:, None], cache=cache)[:, -1]
    return Completions(tokens[:, :length], logprobs[:, :length], entropies[:, :length], mask[:, :length])


def draw(probabilities: Tensor, generator: torch.Generator) -> Tensor:
    """One index a row of probabilities [rows, vocab]: by inverse cumulative distribution on the CPU.

    On CUDA by the exponential race, whose every operation is deterministic there.
    """
    if probabilities.is_cuda:
        race = torch.empty_like(probabilities).exponential_(generator=generator)
        return (probabilities / race).argmax(dim=-1)
    ladder = probabilities.cumsum(dim=-1)
    height = torch.rand(len(ladder), 1, generator=generator, dtype=ladder.dtype) * ladder[:, -1:]
    return (ladder <= height).sum(dim=-1).clamp(max=ladder.shape[1] - 1)


def response_logits(policy: Policy, prompts: Tensor, prompt_mask: Tensor, responses: Tensor) -> Tensor:
    """Logits that predict each response token, [rows, response length, vocab], with gradient.

    `prompts` and `prompt_mask` have one row a response. Row t scores response token t.
    """
    tokens = torch.cat((prompts, responses[:, :-1]), dim=1)
    keep = responses.shape[1]
    if bool(prompt_mask.all()):
        return policy(tokens, keep=keep)  # type: ignore[no-any-return]
    seen = torch.cat((prompt_mask, torch.ones_like(responses[:, :-1], dtype=torch.bool)), dim=1)
    positions = (seen.cumsum(dim=1) - 1).clamp(min=0)
    width = tokens.shape[1]
    causal = torch.ones(width, width, dtype=torch.bool, device=tokens.device)
    attend = causal.tril() & seen[:, None, :]
    attend |= torch.eye(width, dtype=torch.bool, device=tokens.device)
    return policy(tokens, keep=keep, positions=positions, mask=attend[:, None])  # type: ignore[no-any-return]


def concatenate(parts: Sequence[Completions], pad: int) -> Completions:
    """One block of rows from several, padded to the longest."""
    length = max(part.tokens.shape[1] for part in parts)

    def joined(tensors: list[Tensor], value: float) -> Tensor:
        return torch.cat([torch.nn.functional.pad(t, (0, length - t.shape[1]), value=value) for t in tensors])

    return Completions(
        joined([part.tokens for part in parts], pad),
        joined([part.logprobs for part in parts], 0.0),
        joined([part.entropies for part in parts], 0.0),
        joined([part.mask for part in parts], False),
    )
