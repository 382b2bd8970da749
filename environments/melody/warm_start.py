"""Make the shipped melody policy: `python -m environments.melody.warm_start [FOLDER]`.

Supervised learning on melodies of six styles with wrong notes, over the training openings alone. About a
minute of CPU; the result is a function of the seed.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from environments import warm_start
from environments.base import Split
from environments.melody.environment import MelodyEnvironment
from environments.melody.music import (
    KEYS,
    LENGTH,
    MOODS,
    OPENING,
    OPENINGS,
    PITCH_OF,
    PITCHES,
    Melody,
    Scale,
    opening_of,
    prompt_of,
    written,
)
from environments.warm_start import END, PAD, Demonstration

SEED = 0
STEPS = 600
BATCH = 128
LEARNING_RATE = 3e-3
WRONG_NOTES = 0.05
HOMECOMING = 0.6
WORDS = (PAD, END, "MEL", ">", *KEYS, *MOODS, *PITCH_OF)
STYLES = {
    "stroll": (-1, 1, 1, -1, 2, -2),
    "arch": (1, 1, 2, 1, 1, -1, -1, -2, -1, -1),
    "chords": (2, 2, -2, -2, 3, -3, 4, -4),
    "swing": (1, -2, 2, -1, 3, -3),
    "sequence": (2, -1, 2, -1, -2, 1),
    "leap": (4, -1, -1, -1, -4, 1, 1),
}
"""Steps of the scale that a style draws from; an arch and a sequence go through them in turn."""
IN_TURN = ("arch", "sequence")


def demonstrated(rng: random.Random) -> tuple[Scale, Melody]:
    """A melody of a random style whose opening is one to train on; some of its notes are wrong."""
    while True:
        scale = Scale(rng.choice(KEYS), rng.choice(list(MOODS)))
        notes = _with_wrong_notes(_in_style(scale, rng), rng)
        if opening_of(scale, notes) in _TRAINING:
            return scale, tuple(notes)


_TRAINING = frozenset(OPENINGS[Split.TRAINING])


def _in_style(scale: Scale, rng: random.Random) -> list[int]:
    style = rng.choice(list(STYLES))
    pitches = scale.pitches()
    at = rng.choice([index for index, pitch in enumerate(pitches) if scale.opens(pitch)])
    notes = [pitches[at]]
    for index in range(LENGTH - 1):
        steps = STYLES[style]
        step = steps[index % len(steps)] if style in IN_TURN else rng.choice(steps)
        if not 0 <= at + step < len(pitches):
            step = -step
        at += step
        notes.append(pitches[at])
    if rng.random() < HOMECOMING:
        homes = [pitch for pitch in pitches if pitch % 12 == scale.tonic]
        notes[-1] = min(homes, key=lambda pitch: abs(pitch - notes[-2]))
    return notes


def _with_wrong_notes(notes: Sequence[int], rng: random.Random) -> list[int]:
    """Some of the answered notes a little off, in the key or not."""
    spoilt = list(notes)
    for index in range(OPENING, LENGTH):
        if rng.random() < WRONG_NOTES:
            spoilt[index] = rng.choice([p for p in PITCHES if 0 < abs(p - spoilt[index]) <= 4])
    return spoilt


def demonstration(rng: random.Random) -> Demonstration:
    scale, melody = demonstrated(rng)
    return prompt_of(scale, melody[:OPENING]), f"{written(melody[OPENING:])} {END}"


def make(folder: Path) -> None:
    warm_start.make(
        folder,
        lambda: (warm_start.make_tokenizer(WORDS), warm_start.new_policy(len(WORDS))),
        demonstration,
        seed=SEED,
        steps=STEPS,
        batch=BATCH,
        learning_rate=LEARNING_RATE,
    )


if __name__ == "__main__":
    warm_start.run(MelodyEnvironment(), make, __doc__)
