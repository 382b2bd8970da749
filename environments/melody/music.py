"""Melody-12: keys, the rules of a valid melody, the openings and their splits.

A prompt is `MEL key mood n1 n2 n3 >`, three notes that a melody of twelve begins with; an answer is the other
nine. Owns the rules, no taste, no policy and no score.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest

from environments.base import Split, Task

KEYS = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
MOODS = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
TRIAD = (0, 2, 4)
LOWEST, HIGHEST = 55, 79
LENGTH, OPENING = 12, 3
LARGEST_LEAP = 7
LONGEST_REPEAT = 2
HELD_OUT = 0.3

PITCHES = range(LOWEST, HIGHEST + 1)
"""MIDI numbers, 60 is C4."""

NAME_OF = {pitch: f"{KEYS[pitch % 12]}{pitch // 12 - 1}" for pitch in PITCHES}
PITCH_OF = {name: pitch for pitch, name in NAME_OF.items()}

Melody = tuple[int, ...]


@dataclass(frozen=True)
class Scale:
    """Key and mood."""

    key: str
    mood: str

    @property
    def tonic(self) -> int:
        """Pitch class, 0 is C."""
        return KEYS.index(self.key)

    def __contains__(self, pitch: object) -> bool:
        return isinstance(pitch, int) and (pitch - self.tonic) % 12 in MOODS[self.mood]

    def opens(self, pitch: int) -> bool:
        """Whether it is the first, third or fifth of the scale."""
        return (pitch - self.tonic) % 12 in {MOODS[self.mood][degree] for degree in TRIAD}

    def pitches(self) -> list[int]:
        return [pitch for pitch in PITCHES if pitch in self]


@dataclass(frozen=True)
class Opening:
    """Three notes up to transposition: semitones of the first above the tonic (0..11) and two intervals."""

    mood: str
    first: int
    intervals: tuple[int, int]

    @property
    def name(self) -> str:
        return f"{self.mood} {self.first} {self.intervals[0]:+d} {self.intervals[1]:+d}"

    def placements(self) -> list[tuple[Scale, Melody]]:
        """Every key and octave in which it lies within the range."""
        found = []
        for start in PITCHES:
            notes: Melody = (start, start + self.intervals[0], start + sum(self.intervals))
            if all(note in PITCHES for note in notes):
                found.append((Scale(KEYS[(start - self.first) % 12], self.mood), notes))
        return found


def opening_of(scale: Scale, notes: Sequence[int]) -> Opening:
    """The opening that these notes begin with."""
    first, second, third = notes[:OPENING]
    return Opening(scale.mood, (first - scale.tonic) % 12, (second - first, third - second))


def _openings() -> list[Opening]:
    """All openings that break no rule."""
    found = set()
    for mood in MOODS:
        scale = Scale("C", mood)
        leaps = range(-LARGEST_LEAP, LARGEST_LEAP + 1)
        for first in (MOODS[mood][degree] for degree in TRIAD):
            for up in leaps:
                for on in leaps:
                    inside = first + up in scale and first + up + on in scale
                    if inside and (up, on) != (0, 0):
                        found.add(Opening(mood, first, (up, on)))
    return sorted(found, key=lambda opening: opening.name)


def _order_of(opening: Opening) -> str:
    return hashlib.sha256(f"melody:{opening.name}".encode()).hexdigest()


def _divide() -> dict[Opening, Split]:
    """Three tenths of all openings are held out, half of them to select with, half to confirm with."""
    openings = sorted(_openings(), key=_order_of)
    split = dict.fromkeys(openings, Split.TRAINING)
    for index, opening in enumerate(openings[: int(HELD_OUT * len(openings))]):
        split[opening] = Split.CONFIRMATION if index % 2 else Split.SELECTION
    return split


SPLIT_OF = _divide()
"""The split of every opening, whatever its key and octave: fixed before any policy was trained."""

OPENINGS = {split: tuple(opening for opening, s in SPLIT_OF.items() if s is split) for split in Split}


def written(notes: Sequence[int]) -> str:
    return " ".join(NAME_OF[note] for note in notes)


def prompt_of(scale: Scale, opening: Sequence[int]) -> str:
    return f"MEL {scale.key} {scale.mood} {written(opening)} >"


def draw_tasks(split: Split, seed: int, count: int) -> list[Task]:
    """At most `count` different prompts; openings of the split in turn, keys and octaves in random order."""
    rng = random.Random(f"melody-tasks:{split}:{seed}")
    openings = rng.sample(OPENINGS[split], len(OPENINGS[split]))
    queues = []
    for opening in openings[:count]:
        placements = opening.placements()
        queue = [Task(prompt_of(*placement), opening.name) for placement in placements]
        queues.append(rng.sample(queue, len(queue)))
    rounds = zip_longest(*queues)
    return [task for turn in rounds for task in turn if task is not None][:count]


def read_prompt(prompt: str) -> tuple[Scale, Melody]:
    """Scale and opening notes of a prompt; raises ValueError for text that is none."""
    words = prompt.split()
    shaped = len(words) == OPENING + 4 and words[0] == "MEL" and words[-1] == ">"
    if not shaped or words[1] not in KEYS or words[2] not in MOODS or not set(words[3:-1]) <= PITCH_OF.keys():
        raise ValueError(f"not a melody prompt: {prompt!r}")
    return Scale(words[1], words[2]), tuple(PITCH_OF[word] for word in words[3:-1])


def read_melody(opening: Melody, answer: str) -> Melody | None:
    """The whole melody; None for an answer that is not nine notes."""
    words = answer.split()
    if len(words) != LENGTH - OPENING or any(word not in PITCH_OF for word in words):
        return None
    return (*opening, *(PITCH_OF[word] for word in words))


def intervals_of(melody: Sequence[int]) -> tuple[int, ...]:
    """Semitones from each note to the next."""
    return tuple(after - before for before, after in pairwise(melody))


def broken_rules(scale: Scale, melody: Sequence[int]) -> list[str]:
    """The rules that a melody breaks, in a fixed order; a valid one breaks none."""
    intervals = intervals_of(melody)
    repeats = [melody[at : at + LONGEST_REPEAT + 1] for at in range(len(melody) - LONGEST_REPEAT)]
    rules = {
        "length": len(melody) == LENGTH,
        "key": all(note in scale for note in melody),
        "start": scale.opens(melody[0]),
        "end": melody[-1] % 12 == scale.tonic,
        "leap": all(abs(interval) <= LARGEST_LEAP for interval in intervals),
        "repeat": all(len(set(window)) > 1 for window in repeats),
    }
    return [rule for rule, kept in rules.items() if not kept]
