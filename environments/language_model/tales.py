"""Tales of a small coast: text with spelling, grammar, sums and things to remember, made from a seed.

Owns the language, its bytes and its splits. A tale is about two people and a thing, its cell; no tale about a
held-out cell is ever trained on, and all text is made when it is asked for: none lies on a disk.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from environments.base import Split, split_of

PASSAGE = 256
PASSAGES = 2
"""A tale goes on until it fills so many passages of so many bytes, and is cut there."""

ALPHABET = ' ",.?ABCDEFGHIJKLOSTWabcdefghijklmnopqrstuvwxy'
MARKER = 0
"""The id before every passage; a byte's id is its place in the alphabet and one more."""

VOCABULARY = len(ALPHABET) + 1

WOMEN = (
    "Ada", "Berta", "Carla", "Doris", "Elsa", "Frida", "Greta", "Hilda", "Ida", "Jonna", "Klara", "Lotte",
)  # fmt: skip
MEN = ("Abel", "Bram", "Casper", "David", "Erik", "Felix", "Gustav", "Henry", "Igor", "Jasper", "Kurt", "Leo")
TRADES = ("baker", "miller", "weaver", "sailor", "potter", "smith", "tailor", "farmer", "fisher", "carter")
PLACES = ("mill", "harbour", "market", "forge", "orchard", "chapel", "bridge", "meadow", "tower", "inn")
THINGS = {
    "apple": "apples", "basket": "baskets", "berry": "berries", "candle": "candles", "cherry": "cherries",
    "egg": "eggs", "goose": "geese", "hammer": "hammers", "jug": "jugs", "knife": "knives",
    "loaf": "loaves", "mouse": "mice", "penny": "pennies", "plum": "plums", "quill": "quills",
    "rope": "ropes", "shelf": "shelves", "spoon": "spoons", "torch": "torches", "whistle": "whistles",
}  # fmt: skip
BEASTS = {
    "cat": "cats", "calf": "calves", "crow": "crows", "dog": "dogs", "donkey": "donkeys", "fox": "foxes",
    "hen": "hens", "pony": "ponies", "wolf": "wolves", "owl": "owls",
}  # fmt: skip
DEEDS = ("chased", "followed", "heard", "watched", "woke", "feared")
MOODS = ("tired", "hungry", "quiet", "glad", "proud", "cold", "afraid", "merry")
WEATHER = ("rained", "snowed", "thundered", "cleared up", "grew dark")
TIMES = ("In the morning", "At noon", "In the evening", "That night", "The next day", "On Sunday")
NUMBERS = (
    "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip

_IDS = bytes(max(ALPHABET.find(chr(byte)) + 1, 0) for byte in range(256))


@dataclass(frozen=True)
class Tale:
    """A text of PASSAGES x PASSAGE bytes of the alphabet, and the cell that it is about."""

    text: str
    cell: str

    def passages(self) -> list[str]:
        return [self.text[start : start + PASSAGE] for start in range(0, len(self.text), PASSAGE)]


def ids_of(passage: str) -> bytes:
    """The ids of a passage, the marker before them: one byte each."""
    return bytes([MARKER]) + passage.encode("ascii").translate(_IDS)


def draw_tales(split: Split, seed: int, count: int) -> list[Tale]:
    """`count` tales of a split, a function of the seed."""
    tales = stream(split, random.Random(f"{split}:{seed}"))
    return [next(tales) for _ in range(count)]


def stream(split: Split, rng: random.Random) -> Iterator[Tale]:
    """Tales of a split without end."""
    while True:
        hero, friend = rng.sample(WOMEN + MEN, 2)
        thing = rng.choice(tuple(THINGS))
        cell = f"{hero} {friend} {thing}"
        if split_of(cell) is split:
            yield Tale(_Telling(rng, hero, friend, thing).text(), cell)


class _Telling:
    """One tale as it is told: who has how many of what, and where everybody is."""

    def __init__(self, rng: random.Random, hero: str, friend: str, thing: str) -> None:
        self._rng = rng
        self._hero, self._friend, self._thing = hero, friend, thing
        self._she, self._her, self._his = ("she", "her", "her") if hero in WOMEN else ("he", "him", "his")
        self._trade, self._other_trade = rng.sample(TRADES, 2)
        self._place = rng.choice(PLACES)
        self._count = rng.randint(2, 12)

    def text(self) -> str:
        episodes = (
            self._gain, self._lose, self._walk, self._ask_where, self._ask_how_many, self._ask_who,
            self._beasts, self._weather,
        )  # fmt: skip
        told = self._opening()
        while len(told) < PASSAGES * PASSAGE:
            episode: Callable[[], str] = self._rng.choice(episodes)
            told += " " + episode()
        return told[: PASSAGES * PASSAGE]

    def _one_of(self, choices: Sequence[str]) -> str:
        return self._rng.choice(choices)

    def _things(self, count: int) -> str:
        return f"{NUMBERS[count]} {self._thing if count == 1 else THINGS[self._thing]}"

    def _opening(self) -> str:
        begin = self._one_of(
            (
                f"{self._hero} the {self._trade} lived by the {self._place}.",
                f"By the {self._place} lived a {self._trade} called {self._hero}.",
            )
        )
        friend = f"{self._friend} the {self._other_trade} was {self._his} friend."
        return f"{begin} {self._she.title()} had {self._things(self._count)}. {friend}"

    def _gain(self) -> str:
        most = len(NUMBERS) - 1 - self._count
        if most < 1:
            return self._lose()
        more = self._rng.randint(1, min(most, 9))
        self._count += more
        how = self._one_of(
            (
                f"{self._friend} gave {self._her} {NUMBERS[more]} more",
                f"{self._she.title()} found {NUMBERS[more]} more",
            )
        )
        return f"{how}, and now {self._she} had {self._things(self._count)}."

    def _lose(self) -> str:
        if self._count < 2:
            return self._gain()
        less = self._rng.randint(1, min(self._count - 1, 9))
        self._count -= less
        how = self._one_of(
            (
                f"{self._she.title()} sold {NUMBERS[less]} of them",
                f"{self._friend} took {NUMBERS[less]} of them",
            )
        )
        return f"{how}, which left {self._her} {self._things(self._count)}."

    def _walk(self) -> str:
        before, self._place = self._place, self._one_of([one for one in PLACES if one != self._place])
        return f"{self._one_of(TIMES)} {self._she} went from the {before} to the {self._place}."

    def _ask_where(self) -> str:
        hero, friend = self._hero, self._friend
        return f'"Where are you, {hero}?" said {friend}. "By the {self._place}," said {hero}.'

    def _ask_how_many(self) -> str:
        things = THINGS[self._thing]
        return (
            f'"How many {things} have you?" said {self._friend}. '
            f'"I have {NUMBERS[self._count]}," said {self._hero}.'
        )

    def _ask_who(self) -> str:
        asked, trade = self._rng.choice(((self._hero, self._trade), (self._friend, self._other_trade)))
        return f'"Who is {asked}?" said the {self._one_of(tuple(BEASTS))}. "{asked} is the {trade}."'

    def _beasts(self) -> str:
        first, second = self._rng.sample(tuple(BEASTS), 2)
        deed, mood = self._one_of(DEEDS), self._one_of(MOODS)
        if self._rng.random() < 0.5:
            first, were = BEASTS[first], "were"
        else:
            were = "was"
        if self._rng.random() < 0.5:
            second = BEASTS[second]
        clause = f"that {deed} the {second}" if self._rng.random() < 0.5 else f"that the {second} {deed}"
        return f"The {first} {clause} {were} {mood}."

    def _weather(self) -> str:
        return f"{self._one_of(TIMES)} it {self._one_of(WEATHER)} by the {self._one_of(PLACES)}."
