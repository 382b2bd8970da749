"""Attacks that are run for real, on each sandbox tier and on what reads the work of a model.

Owns the list and its order, for `szilard doctor --attacks`. Each attack is also tried where nothing defends,
so that one which never works shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent.attacks import edits, leavings, limits, planting, policies, reach, texts
from workspaces.review.attacks_table import Attacked
from workspaces.sandbox import Sandbox


def run_attacks(tiers: Sequence[Sandbox]) -> Iterator[Attacked]:
    """Every attack: those on a sandbox once a tier, the others once."""
    yield from reach.attack(tiers)
    for tier in tiers:
        yield from limits.attack(tier)
        yield from leavings.attack(tier)
    for room in (edits, policies, planting, texts):
        yield from room.attack()
