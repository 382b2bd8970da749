"""How the score of a run follows final entropy, by what its own attempts show.

Owns the sentence: no domain is asked whether it wants entropy spent or kept.
"""

from __future__ import annotations

from collections.abc import Iterable

from agent.researchers.base import HistoryEntry
from evaluators.rank_correlation import rank_correlation

FEWEST = 5


def entropy_response(entries: Iterable[HistoryEntry]) -> str:
    """One sentence over the attempts whose score and final entropy were both measured."""
    points = {
        entry.number: (entry.entropy, entry.score)
        for entry in entries
        if entry.entropy is not None and entry.score is not None
    }
    entropies, scores = zip(*points.values(), strict=True) if points else ((), ())
    correlation = rank_correlation(entropies, scores)
    if len(points) < FEWEST or correlation is None:
        return (
            "Whether this score wants entropy spent or kept is not known yet: too few attempts are measured."
        )
    goes = "rises" if correlation > 0 else "falls"
    return (
        f"Over the {len(points)} trainings measured so far the score {goes} with final entropy "
        f"(rank correlation {correlation:+.2f}, learning rates and controls mixed)."
    )
