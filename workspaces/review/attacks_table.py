"""The attacks of `szilard doctor --attacks`: what became of each, a line, a table, and what they come to.

Owns the record and its wording; the attacks are run elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workspaces.plain_text import markdown, one_line

EVERYWHERE = "any"
SUCCEEDS = "succeeds"
DID_NOTHING = "did not work here"


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


def seen(succeeded: bool) -> str:
    """What an undefended attack came to."""
    return SUCCEEDS if succeeded else DID_NOTHING


def line(attacked: Attacked) -> str:
    """One attack on one line of a terminal."""
    outcome = "blocked" if attacked.blocked else "OPEN   "
    where = "" if attacked.tier == EVERYWHERE else f" [{attacked.tier}]"
    undefended = f"undefended: {attacked.undefended} ({attacked.said})"
    return one_line(f"{outcome} {attacked.group}: {attacked.name}{where}; {undefended}")


def summary(attacked: Sequence[Attacked]) -> str:
    """How many attacks there were, what they came to, and which are open."""
    names = {one.name for one in attacked}
    tiers = [tier for tier in dict.fromkeys(one.tier for one in attacked) if tier != EVERYWHERE]
    shown = {one.name for one in attacked if one.undefended == SUCCEEDS}
    left = [line(one) for one in attacked if not one.blocked]
    told = (
        f"{len(names)} attacks on {' and '.join(tiers) or 'NO SANDBOX: none starts on this machine'}; "
        f"{len(shown)} of them succeed where nothing defends; "
        f"{len(left) or 'none'} {'is' if len(left) == 1 else 'are'} open."
    )
    return "\n".join(["", told, *left])


def as_markdown(attacked: Sequence[Attacked]) -> str:
    """A table with a row an attack and a column a tier."""
    tiers = [tier for tier in dict.fromkeys(one.tier for one in attacked) if tier != EVERYWHERE]
    names = dict.fromkeys((one.group, one.name) for one in attacked)
    found = {(one.name, one.tier): one for one in attacked}
    rows = [
        f"| on | attack | undefended | {' | '.join(tiers)} |",
        "|---|---|---|" + "---|" * len(tiers),
    ]
    for group, name in names:
        of_name = [one for one in attacked if one.name == name]
        cells = [found.get((name, tier)) or found.get((name, EVERYWHERE)) for tier in tiers]
        told = ["–" if one is None else "blocked" if one.blocked else "**OPEN**" for one in cells]
        rows.append(
            f"| {group} | {markdown(name)} | {markdown(of_name[0].undefended)} | {' | '.join(told)} |"
        )
    return "\n".join(rows)
