"""Make the shipped countdown policy: `python -m environments.countdown.warm_start [FOLDER]`.

Supervised learning on random legal derivations, 15% of them with a wrong target, over the training
multisets alone. About five CPU-minutes; the result is a function of the seed.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch.nn import functional

from environments.base import Split
from environments.countdown.arithmetic import LARGEST, MULTISETS, OPERATORS, derive, prompt_of
from environments.countdown.environment import Countdown
from evaluators.policy import Policy, PolicyConfig, save_policy
from evaluators.sampling import TOKENIZER_FILE, encode_prompts

SEED = 0
STEPS = 2400
BATCH = 256
LEARNING_RATE = 4e-3
WARM_UP = 100
STEP_COUNTS, STEP_WEIGHTS = (1, 2, 3), (0.05, 0.25, 0.70)
WRONG_TARGETS = 0.5
PERIODS = (2, 3, 4, 5, 7, 10, 12, 20, 25, 33, 50, 100, 200)
WORDS = ("<pad>", "<eos>", "CD", ">", *OPERATORS, *map(str, range(1, LARGEST + 1)))


def make_tokenizer() -> Tokenizer:
    """One word, one token."""
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(["<pad>", "<eos>"])
    return tokenizer


def new_policy() -> Policy:
    """Number embeddings and their rows of the head start as Fourier features of the number."""
    policy = Policy(
        PolicyConfig(
            vocab_size=len(WORDS),
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
    numbers = torch.arange(1, LARGEST + 1).float()[:, None]
    angles = 2 * math.pi * numbers / torch.tensor(PERIODS).float()
    features = torch.cat((angles.sin(), angles.cos()), dim=1)
    first = WORDS.index("1")
    with torch.no_grad():
        policy.model.embed_tokens.weight[first:, : features.shape[1]] += features
        policy.lm_head.weight[first:, : features.shape[1]] += 0.1 * features
    return policy


def demonstration(rng: random.Random) -> tuple[str, str]:
    numbers = list(rng.choice(MULTISETS[Split.TRAINING]))
    rng.shuffle(numbers)
    derivation = derive(tuple(numbers), rng.choices(STEP_COUNTS, STEP_WEIGHTS)[0], rng)
    target = rng.randint(1, LARGEST) if rng.random() < WRONG_TARGETS else derivation.result
    return prompt_of(tuple(numbers), target), derivation.answer + " <eos>"


def train(folder: Path) -> None:
    torch.manual_seed(SEED)
    rng = random.Random(SEED)
    tokenizer, policy = make_tokenizer(), new_policy().train()
    optimiser = torch.optim.AdamW(policy.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.98), fused=True)
    pad = policy.config.pad_token_id
    for step in range(STEPS):
        warm = min(1.0, (step + 1) / WARM_UP)
        optimiser.param_groups[0]["lr"] = LEARNING_RATE * warm * (1 + math.cos(math.pi * step / STEPS)) / 2
        prompts, answers = zip(*(demonstration(rng) for _ in range(BATCH)), strict=True)
        ids, _ = encode_prompts(tokenizer, prompts, pad)
        rows = [encoding.ids for encoding in tokenizer.encode_batch(list(answers))]
        width = max(map(len, rows))
        targets = torch.tensor([row + [pad] * (width - len(row)) for row in rows])
        logits = policy(torch.cat((ids, targets[:, :-1]), dim=1), keep=width)
        loss = functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=pad)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
        optimiser.step()
        if step % 250 == 0:
            sys.stderr.write(f"step {step} of {STEPS}: loss {loss.item():.3f}\n")
    save_policy(policy, folder)
    tokenizer.save(str(folder / TOKENIZER_FILE))
    (folder / "tokenizer_config.json").write_text(
        json.dumps(
            {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "eos_token": "<eos>",
                "pad_token": "<pad>",
                "model_max_length": 2048,
            },
            indent=2,
        )
        + "\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent / "policy")
    folder = parser.parse_args().folder
    torch.set_num_threads(1)
    train(folder)
    metrics = Countdown().score(folder, Split.SELECTION, seed=0).metrics
    sys.stderr.write(", ".join(f"{name} {metric.value:.3f}" for name, metric in metrics.items()) + "\n")


if __name__ == "__main__":
    main()
