"""What became of an attack.

Owns the record; each room of attacks fills it.
"""

from __future__ import annotations

from dataclasses import dataclass

from workspaces.review.attacks_table import EVERYWHERE, SUCCEEDS

__all__ = ["EVERYWHERE", "SUCCEEDS", "Attacked"]


@dataclass(frozen=True)
class Attacked:
    """One attack, on one tier ("any": it needs none), and the same attack where nothing defends.

    `said` is what the defence or the attacker had to say; `undefended` is "succeeds", or why that was not
    seen.
    """

    name: str
    group: str
    tier: str
    blocked: bool
    said: str
    undefended: str
