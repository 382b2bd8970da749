"""Which seed indices screen, which are evidence, and when evidence seeds have served their time.

Index 0 is the screening seed, 1..N are the first evidence seeds, N+1 and N+2 a comparator's further screening
seeds. A comparator that stays is luck that every attempt after it inherits; so after a promotion, and after a
number of races, the evidence moves on to a fresh block of N seeds, on which nobody has been chosen yet. So it
does when an ended run goes on, past the seeds on which its winner was taken apart, and when an attempt was
built on another one than the incumbent: that one was chosen by what it scored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SCREENING_SEED = 0
MORE_SCREENING_SEEDS = 2
MOST_RACES = 8
EXTENDED = "extended"
BRANCHED = "branched"
EXTENSION_BLOCKS = 4


@dataclass(frozen=True)
class SeedPlan:
    """The seeds of a race: `screening` is never evidence, `evidence` is in the order of the looks."""

    screening: tuple[int, ...]
    evidence: tuple[int, ...]

    def until(self, seed: int) -> tuple[int, ...]:
        """What may be looked at of an attempt when `seed` is its latest."""
        if seed == SCREENING_SEED:
            return (SCREENING_SEED,)
        return (SCREENING_SEED, *self.evidence[: self.evidence.index(seed) + 1])

    def after(self, seed: int) -> tuple[int, ...]:
        """The evidence seeds that an attempt may be asked for beyond `seed`."""
        return self.evidence[len(self.until(seed)) - 1 :]


def seed_plan(seeds: int, block: int = 0) -> SeedPlan:
    """The plan of a race with at most `seeds` evidence seeds, on a block of them."""
    more = range(seeds + 1, seeds + 1 + MORE_SCREENING_SEEDS)
    first = 1 if block == 0 else more.stop + (block - 1) * seeds
    return SeedPlan((SCREENING_SEED, *more), tuple(range(first, first + seeds)))


def every_seed(seeds: int, block: int = 0) -> range:
    """All seed indices that a plan up to `block` may have used."""
    return range(seeds + 1 + MORE_SCREENING_SEEDS + block * seeds)


def block_after(outcomes: Sequence[str]) -> int:
    """The block that the next race uses, given the outcomes of those before it in order.

    Among them `EXTENDED` stands where an ended run went on, and `BRANCHED` before a race of an attempt that
    was built on another one than its comparator.
    """
    block = races = 0
    for outcome in outcomes:
        if outcome == EXTENDED:
            block, races = block + EXTENSION_BLOCKS, 0
            continue
        if outcome == BRANCHED:
            block, races = block + 1, 0
            continue
        races += 1
        if outcome == "kept" or races == MOST_RACES:
            block, races = block + 1, 0
    return block
