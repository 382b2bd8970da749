"""What it takes to build a language model's context out of a history of 500 attempts.

    python benchmarks/context.py [ATTEMPTS]

A run of countdown whose ledger, measurements and logs are real files; only nothing was trained: codes are
drawn from the catalogue at random, and their figures are made up. Exits 1 where the context of an attempt
takes more than 0.2 CPU seconds in a run that goes on, git's included, or more tokens than the limit. The
first context of a run that was just opened, for which git is asked for all code, is told beside it. Making
the ledger takes about half a minute and is not counted.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from agent.context.build import OPENING_TOKENS, opening
from agent.context.tokens import tokens
from agent.laboratory import Laboratory
from agent.onlooking import onlooking
from tests.agent.a_recorded_run import make_run

ATTEMPTS = 500
MOST_SECONDS = 0.2
REPEATS = 5


def main() -> None:
    attempts = int(sys.argv[1]) if len(sys.argv) > 1 else ATTEMPTS
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder, "run")
        make_run(directory, attempts)
        laboratory = onlooking(directory)
        first = _timed(laboratory, attempts)
        later = [_timed(laboratory, attempts) for _ in range(REPEATS)]
    seconds = statistics.median(one.cpu for one in later)
    print(f"{attempts} attempts, of which the context holds what fits into {OPENING_TOKENS:,} tokens")
    print(f"first context of a run just opened: {1000 * first.cpu:.0f} ms CPU, {1000 * first.wall:.0f} ms")
    print(
        f"next context of a run that goes on: {1000 * seconds:.0f} ms CPU (median of {REPEATS}), "
        f"{1000 * min(one.wall for one in later):.0f} ms at best"
    )
    print(f"tokens: {first.tokens:,}")
    failed = seconds > MOST_SECONDS or first.tokens > OPENING_TOKENS
    print(f"{'FAIL' if failed else 'PASS'}: at most {1000 * MOST_SECONDS:.0f} ms, {OPENING_TOKENS:,} tokens")
    sys.exit(failed)


@dataclass(frozen=True)
class _Timed:
    """CPU seconds of a context with its prompt, seconds of the clock, and its tokens."""

    cpu: float
    wall: float
    tokens: int


def _timed(laboratory: Laboratory, attempts: int) -> _Timed:
    started, used = time.perf_counter(), _cpu_seconds()
    parent, commit = laboratory.incumbent_for(attempts + 1)
    turns = opening(laboratory.context(attempts + 1, parent, commit))
    cpu, wall = _cpu_seconds() - used, time.perf_counter() - started
    return _Timed(cpu, wall, sum(tokens(turn.content) for turn in turns))


def _cpu_seconds() -> float:
    """Of this process and of those that it has waited for."""
    return sum(os.times()[:4])


if __name__ == "__main__":
    main()
