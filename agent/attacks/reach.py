"""Attacks that reach out of a sandbox: the whole probe, on every tier and on none.

Owns the comparison; the attacks are the probe's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from workspaces.review.attacks_table import SUCCEEDS, Attacked
from workspaces.sandbox import Sandbox
from workspaces.sandbox.none import Bare
from workspaces.sandbox.probe import RAN, ProbeResult, probe


def attack(tiers: Sequence[Sandbox]) -> Iterator[Attacked]:
    """Every attack of the probe, tier by tier."""
    bare = {result.name: result for result in probe(Bare())}
    for tier in tiers:
        for result in probe(tier):
            if result.name != RAN or not result.blocked:
                yield Attacked(
                    result.name,
                    "reach",
                    tier.tier,
                    result.blocked,
                    result.detail,
                    _undefended(bare[result.name]),
                )


def _undefended(result: ProbeResult) -> str:
    if not result.blocked:
        return SUCCEEDS
    return result.detail if os.geteuid() == 0 else f"needs root ({result.detail})"
