"""What a language model may still be asked: tokens and dollars, held against before each request.

Owns the count of one run; what was spent before is read from its conversations.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from agent.context.tokens import tokens
from agent.researchers.base import NotAsked, ResearcherError
from agent.researchers.conversation import Exchange, Turn
from workspaces.spending import cost, is_counted, read_spent

LEAST_COMPLETION = 1_000


@dataclass(frozen=True)
class Bounds:
    """What may be spent in all; `price` are dollars for a million tokens of prompts and of completions."""

    tokens: int | None = None
    dollars: float | None = None
    price: tuple[float, float] | None = None


class Allowance:
    """Counts what one run asks its model. Safe from any thread."""

    def __init__(self, directory: Path | None = None, bounds: Bounds | None = None) -> None:
        self._bounds = bounds or Bounds()
        self._lock = threading.Lock()
        self._claims: list[tuple[int, int]] = []
        spent = read_spent(directory) if directory is not None else None
        self._prompt = spent.prompt_tokens if spent else 0
        self._completion = spent.completion_tokens if spent else 0
        self._uncounted = bool(spent and spent.uncounted)
        self._longest = LEAST_COMPLETION

    @contextmanager
    def claimed(self, turns: Sequence[Turn]) -> Iterator[None]:
        """Room for one request, kept free while it is made: its prompt, and as long a reply as ever came.

        Raises:
            NotAsked: there is no room for it.
            ResearcherError: the server does not count, so that no bound can hold.
        """
        prompt = sum(tokens(turn.content) for turn in turns)
        claim = (prompt, self._longest)
        with self._lock:
            self._require_counts()
            exceeded = self._exceeded(claim)
            if exceeded is not None:
                raise NotAsked(f"not asked: the request would exceed the run's {exceeded}")
            self._claims.append(claim)
        try:
            yield
        finally:
            with self._lock:
                self._claims.remove(claim)

    def count(self, exchange: Exchange) -> None:
        """Add what an exchange took.

        Raises:
            ResearcherError: the server did not say, and there is a bound to hold.
        """
        with self._lock:
            if is_counted(asdict(exchange)):
                self._prompt += exchange.prompt_tokens or 0
                self._completion += exchange.completion_tokens or 0
                self._longest = max(self._longest, exchange.completion_tokens or 0)
            else:
                self._uncounted = True
                self._require_counts()

    def _exceeded(self, claim: tuple[int, int]) -> str | None:
        """Which bound would be exceeded if this and all requests in flight took what was claimed for them."""
        claims = [*self._claims, claim]
        prompt = self._prompt + sum(one for one, _ in claims)
        completion = self._completion + sum(one for _, one in claims)
        bounds = self._bounds
        if bounds.tokens is not None and prompt + completion > bounds.tokens:
            return f"{bounds.tokens:,} tokens ({self._prompt + self._completion:,} are used)"
        if bounds.dollars is not None and bounds.price is not None:
            used = cost(self._prompt, self._completion, bounds.price)
            if float(cost(prompt, completion, bounds.price)) > bounds.dollars:
                return f"{bounds.dollars:g} dollars ({used.normalize():f} are used)"
        return None

    def _require_counts(self) -> None:
        if self._uncounted and (self._bounds.tokens is not None or self._bounds.dollars is not None):
            raise ResearcherError(
                "The endpoint does not say how many tokens it took, so --tokens and --dollars cannot hold. "
                "Start a run without them, or take another endpoint."
            )
