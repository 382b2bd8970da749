"""What makes one melody better than another, and which two are alike.

Owns quality and likeness. Taste judges a melody alone: it knows neither the rules nor the other samples, so
nothing in it rewards spread. Likeness compares two and knows nothing of quality.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from environments.melody.music import LENGTH, OPENING, PITCHES, Melody, intervals_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FINE = 0.75
"""Taste from which on a melody is fine: what the best sixth of the valid demonstrations reach."""

STEP, LEAP = 2, 5
STEPWISE = 0.6
COMPASS = (7, 14)
_WIDEST = 12


def taste(melody: Sequence[int]) -> float:
    """Within 0..1: the mean of six habits of melodies that are easily sung and remembered."""
    intervals = intervals_of(melody)
    habits = (
        _flow(intervals),
        _recovery(intervals),
        _climax(melody),
        _echo(intervals),
        _cadence(intervals),
        _compass(melody),
    )
    return sum(habits) / len(habits)


def _flow(intervals: Sequence[int]) -> float:
    """Mostly steps: their share, up to six in ten."""
    steps = sum(1 <= abs(interval) <= STEP for interval in intervals)
    return min(1.0, steps / (STEPWISE * len(intervals)))


def _recovery(intervals: Sequence[int]) -> float:
    """Leaps that turn back by less than a leap; a melody without a leap earns half."""
    turns = [
        leap * after < 0 and abs(after) < LEAP for leap, after in pairwise(intervals) if abs(leap) >= LEAP
    ]
    return sum(turns) / len(turns) if turns else 0.5


def _climax(melody: Sequence[int]) -> float:
    """One highest note, and neither the first nor the last."""
    top = max(melody)
    return 0.0 if top in (melody[0], melody[-1]) else 1.0 / list(melody).count(top)


def _echo(intervals: Sequence[int]) -> float:
    """The opening comes back: its two intervals, or half for its contour."""
    motif, later = tuple(intervals[:2]), list(pairwise(intervals[OPENING - 1 :]))
    if motif in later:
        return 1.0
    return 0.5 if _contour(motif) in map(_contour, later) else 0.0


def _cadence(intervals: Sequence[int]) -> float:
    """The last note is reached by step, or half by a third."""
    last = abs(intervals[-1])
    return 1.0 if 1 <= last <= STEP else 0.5 if STEP < last < LEAP else 0.0


def _compass(melody: Sequence[int]) -> float:
    """From a fifth to a ninth between lowest and highest note, and less the farther from that."""
    span = max(melody) - min(melody)
    narrow, wide = COMPASS
    return max(0.0, 1.0 - max(narrow - span, span - wide, 0) / narrow)


def _contour(pair: Sequence[int]) -> tuple[int, ...]:
    return tuple((interval > 0) - (interval < 0) for interval in pair)


def likeness(melodies: Sequence[Melody]) -> NDArray[np.float64]:
    """Kernel [n, n] of melodies with the same opening: 1 for the same, 0 for what shares nothing.

    Half the share of the nine answered notes that agree, half the cosine of the counts of interval pairs.
    """
    import numpy as np

    notes = np.array(melodies)[:, OPENING:]
    answered = LENGTH - OPENING
    pitches = (notes[:, :, None] == np.array(PITCHES)).reshape(len(notes), -1) / np.sqrt(answered)
    intervals = np.clip(np.diff(np.array(melodies), axis=1)[:, OPENING - 1 :], -_WIDEST, _WIDEST) + _WIDEST
    width = 2 * _WIDEST + 1
    pairs = np.zeros((len(notes), width * width))
    rows = np.arange(len(notes))[:, None]
    np.add.at(pairs, (rows, intervals[:, :-1] * width + intervals[:, 1:]), 1.0)
    pairs /= np.linalg.norm(pairs, axis=1, keepdims=True)
    return np.asarray((pitches @ pitches.T + pairs @ pairs.T) / 2)
