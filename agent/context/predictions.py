"""How predictions fared, in words: what a researcher is told of its calibration.

Owns the comparison of what was predicted with what was measured.
"""

from __future__ import annotations

from collections.abc import Iterable

from agent.researchers.base import HistoryEntry


def track_record(history: Iterable[HistoryEntry]) -> str:
    """Mean errors of predicted score change and final entropy, and how often the direction was right."""
    pairs = [
        (entry.predicted_score_change, entry.score_change)
        for entry in history
        if entry.predicted_score_change is not None and entry.score_change is not None
    ]
    entropies = [
        abs(entry.predicted_entropy - entry.entropy)
        for entry in history
        if entry.predicted_entropy is not None and entry.entropy is not None
    ]
    if not pairs:
        return "No prediction has met its outcome yet."
    errors = [abs(predicted - measured) for predicted, measured in pairs]
    bias = sum(predicted - measured for predicted, measured in pairs) / len(pairs)
    right = sum((predicted > 0) == (measured > 0) for predicted, measured in pairs)
    lines = [
        f"Score change: mean absolute error {sum(errors) / len(errors):.3g} over {len(pairs)} attempts, "
        f"predicted minus measured {bias:+.3g} on average, direction right {right} of {len(pairs)} times."
    ]
    if entropies:
        lines.append(
            f"Final entropy: mean absolute error {sum(entropies) / len(entropies):.3g} "
            f"over {len(entropies)} attempts."
        )
    return "\n".join(lines)
