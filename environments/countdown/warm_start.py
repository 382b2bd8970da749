"""Make the shipped countdown policy: `python -m environments.countdown.warm_start [FOLDER]`.

Supervised learning on random legal derivations, half of them with a wrong target, over the training
multisets alone. About five CPU-minutes; the result is a function of the seed.
"""

from __future__ import annotations

import math
import random
from pathlib import Path

import torch

from environments import warm_start
from environments.base import Split
from environments.countdown.arithmetic import LARGEST, MULTISETS, OPERATORS, derive, prompt_of
from environments.countdown.environment import Countdown
from environments.warm_start import END, PAD, Demonstration
from evaluators.policy import Policy

SEED = 0
STEPS = 2400
BATCH = 256
LEARNING_RATE = 4e-3
STEP_COUNTS, STEP_WEIGHTS = (1, 2, 3), (0.05, 0.25, 0.70)
WRONG_TARGETS = 0.5
PERIODS = (2, 3, 4, 5, 7, 10, 12, 20, 25, 33, 50, 100, 200)
WORDS = (PAD, END, "CD", ">", *OPERATORS, *map(str, range(1, LARGEST + 1)))


def new_policy() -> Policy:
    """Number embeddings and their rows of the head start as Fourier features of the number."""
    policy = warm_start.new_policy(len(WORDS))
    numbers = torch.arange(1, LARGEST + 1).float()[:, None]
    angles = 2 * math.pi * numbers / torch.tensor(PERIODS).float()
    features = torch.cat((angles.sin(), angles.cos()), dim=1)
    first = WORDS.index("1")
    with torch.no_grad():
        policy.model.embed_tokens.weight[first:, : features.shape[1]] += features
        policy.lm_head.weight[first:, : features.shape[1]] += 0.1 * features
    return policy


def demonstration(rng: random.Random) -> Demonstration:
    numbers = list(rng.choice(MULTISETS[Split.TRAINING]))
    rng.shuffle(numbers)
    derivation = derive(tuple(numbers), rng.choices(STEP_COUNTS, STEP_WEIGHTS)[0], rng)
    target = rng.randint(1, LARGEST) if rng.random() < WRONG_TARGETS else derivation.result
    return prompt_of(tuple(numbers), target), f"{derivation.answer} {END}"


def make(folder: Path) -> None:
    warm_start.make(
        folder,
        lambda: (warm_start.make_tokenizer(WORDS), new_policy()),
        demonstration,
        seed=SEED,
        steps=STEPS,
        batch=BATCH,
        learning_rate=LEARNING_RATE,
    )


if __name__ == "__main__":
    warm_start.run(Countdown(), make, __doc__)
