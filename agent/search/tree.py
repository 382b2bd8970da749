"""Tree search: any attempt that was scored may be built on, the best first, and what is little explored.

Owns the choice of a parent; it keeps no state that the history does not hold. What an attempt has to beat is
not its choice: that is the incumbent, whatever was built on.

The nodes are the baseline and every attempt that was scored and broke no guard; failures are pruned. The node
is taken that has the most of

    rank + EXPLORATION * prior * sqrt(attempts) / (1 + attempts below the node)

which is PUCT (Rosin 2011, doi 10.1007/s10472-011-9258-6; Silver et al. 2017, arXiv 1712.01815) on ranks
instead of scores, as Aygün et al. (2025, arXiv 2509.06503) search programs. Ranks are by the gain over the
baseline, drawn towards nil the more the fewer seeds it was seen on. The prior, which is flat there, is
diversity: the distance to the nearest other node, half by code and half by the final entropy of the policy.
On a plateau the incumbent and what it was built from are left out, so that the search goes to another branch.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from agent.researchers.base import HistoryEntry
from agent.search import hill_climb
from agent.search.plateau import stalled

EXPLORATION = 1.0
SCORED = ("kept", "reverted", "inconclusive")

Lines = frozenset[tuple[str, str]]


def select(history: Sequence[HistoryEntry], better: Callable[[float], float]) -> int:
    """The number of the attempt to build on. `history` begins with the baseline; equal ones give equal
    answers.

    `better` signs a change of the metric so that more is better. Attempts in flight count as explored, so
    that several workers spread out.
    """
    baseline = history[0]
    nodes = [baseline, *(entry for entry in history[1:] if _is_node(entry))]
    parents = {entry.number: entry.parent for entry in history}
    ranks, priors, below = _ranks(nodes, better), _priors(nodes), _below(parents)
    allowed = nodes
    if stalled(history):
        line = _line(parents, hill_climb.select(history))
        allowed = [node for node in nodes if node.number not in line] or nodes
    attempts = math.sqrt(len(history) - 1)

    def worth(node: HistoryEntry) -> float:
        number = node.number
        return ranks[number] + EXPLORATION * priors[number] * attempts / (1 + below[number])

    return max(allowed, key=lambda node: (worth(node), node.number)).number


def _is_node(entry: HistoryEntry) -> bool:
    scored = entry.verdict in SCORED and entry.score is not None and math.isfinite(entry.score)
    return scored and bool(entry.files) and not entry.broke_guard


def _ranks(nodes: Sequence[HistoryEntry], better: Callable[[float], float]) -> Mapping[int, float]:
    """Number -> the share of the other nodes that gained less, 1 for a node alone."""
    usual = nodes[0].score or 0.0
    gains = {
        node.number: better((node.score or 0.0) - usual) * node.seeds / (node.seeds + 1) for node in nodes
    }
    ordered, others = sorted(gains.values()), max(len(nodes) - 1, 1)
    less = {gain: place for place, gain in reversed(list(enumerate(ordered)))}
    return {number: less[gain] / others if len(nodes) > 1 else 1.0 for number, gain in gains.items()}


def _priors(nodes: Sequence[HistoryEntry]) -> Mapping[int, float]:
    """Number -> how far the nearest other node is, as shares that sum to 1; equal where nothing differs."""
    changes = [_changes(node, nodes[0]) for node in nodes]
    entropies = [node.entropy for node in nodes]
    known = [entropy for entropy in entropies if entropy is not None]
    spread = max(known, default=0.0) - min(known, default=0.0)

    def distance(one: int, other: int) -> float:
        first, second = entropies[one], entropies[other]
        apart = abs(first - second) / spread if first is not None and second is not None and spread else 0.0
        return (_dissimilarity(changes[one], changes[other]) + apart) / 2

    places = range(len(nodes))
    nearest = [min((distance(one, other) for other in places if other != one), default=1.0) for one in places]
    total = math.fsum(nearest)
    return {
        node.number: near / total if total else 1 / len(nodes)
        for node, near in zip(nodes, nearest, strict=True)
    }


def _changes(node: HistoryEntry, baseline: HistoryEntry) -> Lines:
    """The lines that a node's code has and the baseline's has not, and the other way round."""
    found: set[tuple[str, str]] = set()
    for path in node.files.keys() | baseline.files.keys():
        ours, theirs = node.files.get(path, ""), baseline.files.get(path, "")
        if ours != theirs:
            moved = set(ours.splitlines()) ^ set(theirs.splitlines())
            found |= {(path, line.strip()) for line in moved if line.strip()}
    return frozenset(found)


def _dissimilarity(one: Lines, other: Lines) -> float:
    """The Jaccard distance, 0 for equal sets."""
    either = len(one | other)
    return 1.0 - len(one & other) / either if either else 0.0


def _below(parents: Mapping[int, int | None]) -> Counter[int]:
    """Number -> how many attempts were built on it, or on what was built on it; failures count."""
    found = Counter[int]()
    for number in parents:
        found.update(_line(parents, number)[1:])
    return found


def _line(parents: Mapping[int, int | None], number: int) -> list[int]:
    """An attempt, what it was built on, and so on down to the baseline."""
    line, parent = [number], parents.get(number)
    while parent is not None and parent < line[-1]:
        line.append(parent)
        parent = parents.get(parent)
    return line
