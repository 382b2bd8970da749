"""Make the shipped policy: `python -m environments.reasoning_gym.warm_start [FOLDER]`.

Supervised learning on training questions of the named datasets and their answers, one character one token.
A few CPU-minutes; the result is a function of the seed and of the release of reasoning-gym.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from environments import warm_start
from environments.base import Split
from environments.reasoning_gym.datasets import Dataset
from environments.reasoning_gym.environment import LONGEST_ANSWERS, ReasoningGym
from environments.warm_start import END, PAD, Demonstration

SEED = 0
STEPS = 1000
BATCH = 128
LEARNING_RATE = 4e-3
DRAWN_AT_ONCE = 2048
WORDINGS = {
    "Find the Greatest Common Divisor (GCD) of these numbers: ": "Γ",
    ". Give only the GCD as your final answer.": "",
    "Find the Least Common Multiple (LCM) of these numbers: ": "Λ",
    "Spell this word backward (example: sun -> nus): ": "Ω",
}
"""What is the same in every question of a dataset -> the one character that stands for it."""
CHARACTERS = (PAD, END, *map(chr, range(32, 127)), *filter(None, WORDINGS.values()))


def make_tokenizer() -> Tokenizer:
    """One character, one token; the wording of the named datasets is one too."""
    tokenizer = Tokenizer(models.WordLevel({c: i for i, c in enumerate(CHARACTERS)}, unk_token=PAD))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Replace(wording, short) for wording, short in WORDINGS.items()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens([PAD, END])
    return tokenizer


def demonstrations(rng: random.Random) -> Iterator[Demonstration]:
    """Questions and answers of all named datasets, shuffled; of the training split alone."""
    datasets = [Dataset(name) for name in LONGEST_ANSWERS]
    while True:
        drawn = [
            (task.prompt, f"{task.entry['answer']}{END}")
            for dataset in datasets
            for task in dataset.tasks(Split.TRAINING, rng.randrange(2**31), DRAWN_AT_ONCE)
        ]
        rng.shuffle(drawn)
        yield from drawn


def make(folder: Path) -> None:
    shown = demonstrations(random.Random(SEED))
    warm_start.make(
        folder,
        lambda: (make_tokenizer(), warm_start.new_policy(len(CHARACTERS))),
        lambda _: next(shown),
        seed=SEED,
        steps=STEPS,
        batch=BATCH,
        learning_rate=LEARNING_RATE,
    )


def main() -> None:
    warm_start.run(ReasoningGym(next(iter(LONGEST_ANSWERS))), make, __doc__)


if __name__ == "__main__":
    main()
