"""Make a very small policy by supervised learning on demonstrations: what the shipped ones have in common.

Owns shape, loop and files; vocabulary, demonstrations and lengths are each domain's own.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch.nn import functional

from environments.base import Split
from environments.language import LanguageEnvironment
from evaluators.policy import Policy, PolicyConfig, save_policy
from evaluators.sampling import TOKENIZER_FILE, encode_prompts, response_logits

PAD, END = "<pad>", "<eos>"
WARM_UP = 100

Demonstration = tuple[str, str]
"""A prompt and its answer, the end token included."""


def make_tokenizer(words: Sequence[str]) -> Tokenizer:
    """One word, one token; the first two words are PAD and END."""
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token=PAD))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens([PAD, END])
    return tokenizer


def new_policy(vocabulary: int) -> Policy:
    """A Llama decoder with d = 64, two layers and four heads, at random weights."""
    policy = Policy(
        PolicyConfig(
            vocab_size=vocabulary,
            hidden_size=64,
            intermediate_size=176,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=4,
            head_dim=16,
            rope_theta=10000.0,
            rms_norm_eps=1e-5,
            tie_word_embeddings=False,
            bos_token_id=None,
            eos_token_id=1,
            pad_token_id=0,
        )
    )
    for name, parameter in policy.named_parameters():
        if parameter.ndim == 2:
            scale = 0.02 if "embed" in name or "head" in name else parameter.shape[1] ** -0.5
            torch.nn.init.normal_(parameter, std=scale)
    return policy


def train(
    policy: Policy,
    tokenizer: Tokenizer,
    demonstrate: Callable[[], Demonstration],
    *,
    steps: int,
    batch: int,
    learning_rate: float,
) -> None:
    """Learn the answers of `batch` fresh demonstrations a step."""
    policy.train()
    optimiser = torch.optim.AdamW(policy.parameters(), lr=learning_rate, betas=(0.9, 0.98), fused=True)
    pad = policy.config.pad_token_id
    for step in range(steps):
        warm = min(1.0, (step + 1) / WARM_UP)
        optimiser.param_groups[0]["lr"] = learning_rate * warm * (1 + math.cos(math.pi * step / steps)) / 2
        prompts, answers = zip(*(demonstrate() for _ in range(batch)), strict=True)
        ids, mask = encode_prompts(tokenizer, prompts, pad)
        rows = [encoding.ids for encoding in tokenizer.encode_batch(list(answers))]
        width = max(map(len, rows))
        targets = torch.tensor([row + [pad] * (width - len(row)) for row in rows])
        logits = response_logits(policy, ids, mask, targets)
        loss = functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=pad)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
        optimiser.step()
        if step % 250 == 0:
            sys.stderr.write(f"step {step} of {steps}: loss {loss.item():.3f}\n")


def save(policy: Policy, tokenizer: Tokenizer, folder: Path) -> None:
    """Write a folder that `AutoModelForCausalLM` and `AutoTokenizer` read."""
    save_policy(policy, folder)
    tokenizer.save(str(folder / TOKENIZER_FILE))
    (folder / "tokenizer_config.json").write_text(
        json.dumps(
            {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "eos_token": END,
                "pad_token": PAD,
                "model_max_length": 2048,
            },
            indent=2,
        )
        + "\n"
    )


def make(
    folder: Path,
    begin: Callable[[], tuple[Tokenizer, Policy]],
    demonstrate: Callable[[random.Random], Demonstration],
    *,
    seed: int,
    steps: int,
    batch: int,
    learning_rate: float,
) -> None:
    """Train the policy that `begin` gives, and write it to a folder: a function of the seed."""
    torch.manual_seed(seed)
    rng = random.Random(seed)
    tokenizer, policy = begin()
    train(policy, tokenizer, lambda: demonstrate(rng), steps=steps, batch=batch, learning_rate=learning_rate)
    save(policy, tokenizer, folder)


def run(environment: LanguageEnvironment, make: Callable[[Path], None], description: str | None) -> None:
    """The command: `make` the policy in the folder that is named, else the shipped one, and score it."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("folder", nargs="?", type=Path, default=environment.starting_policy())
    folder = parser.parse_args().folder
    torch.set_num_threads(1)
    make(folder)
    metrics = environment.score(folder, Split.SELECTION, seed=0).metrics
    sys.stderr.write(", ".join(f"{name} {metric.value:.3f}" for name, metric in metrics.items()) + "\n")
