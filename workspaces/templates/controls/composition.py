"""Which controls go together: one loss, one advantage, one average, any terms, any sampling.

Refuses what has no meaning, with the reason, before anything is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class MeaninglessComposition(ValueError):
    """Controls that undo each other, do nothing, or stand in the wrong place; the message says which."""


def check_composition(
    *,
    loss: Any,
    advantage: Any,
    average: Any,
    terms: Sequence[Any],
    sampling: Sequence[Any],
    minibatches: int,
) -> None:
    """Return if the controls compose.

    Raises:
        MeaninglessComposition: they do not.
    """
    placed = [("LOSS", loss, "loss"), ("ADVANTAGE", advantage, "advantage"), ("AVERAGE", average, "average")]
    placed += [("TERMS", term, "term") for term in terms]
    placed += [("SAMPLING", control, "sampling") for control in sampling]
    for slot, control, kind in placed:
        found = getattr(control, "kind", None)
        if found != kind:
            raise MeaninglessComposition(f"{slot} takes a {kind}, and {_name(control)} is of kind {found!r}")
    for group in (terms, sampling):
        names = [_name(control) for control in group]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise MeaninglessComposition(f"{twice} is in force twice: give it once, with one setting")
    if minibatches == 1 and getattr(loss, "inert_on_policy", False):
        raise MeaninglessComposition(
            f"{_name(loss)} acts on the ratio to the rollout policy, and with MINIBATCHES = 1 that is 1: "
            "it would equal the plain policy gradient"
        )
    movers = [_name(term) for term in terms if getattr(term, "moves_entropy", False)]
    if len(movers) > 1:
        raise MeaninglessComposition(
            f"{' and '.join(movers)} pull at the same entropy: what each of them does could not be told"
        )
    droppers = [_name(control) for control in sampling if getattr(control, "drops_equal_rewards", False)]
    if droppers and getattr(advantage, "learns_from_equal_rewards", False):
        raise MeaninglessComposition(
            f"{droppers[0]} drops groups of equal rewards, from which {_name(advantage)} learns"
        )


def _name(control: Any) -> str:
    return type(control).__name__
