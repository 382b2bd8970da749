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
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from agent.context.build import OPENING_TOKENS, opening
from agent.context.tokens import tokens
from agent.laboratory import Laboratory
from agent.onlooking import onlooking
from agent.researchers.configuration import edits, read
from agent.researchers.configuration_space import Option, choose_configuration
from agent.researchers.control_table import table_of
from agent.settings import RunSettings
from agent.state_files import write_json
from environments.base import Metric, Score, Split
from environments.registry import load
from workspaces.edits import apply_edits
from workspaces.ledger import Ledger
from workspaces.measurements import Measurement, MeasurementStore
from workspaces.review.record import BASELINE_FILE

ATTEMPTS = 500
MOST_SECONDS = 0.2
REPEATS = 5
SEEDS = 12
VERDICTS = ("reverted", "inconclusive", "stopped-early", "crashed", "refused")
TASKS = 512
LOG = "Traceback (most recent call last):\n" + '  File "recipe.py", line 40, in train\n    step()\n' * 30


def main() -> None:
    attempts = int(sys.argv[1]) if len(sys.argv) > 1 else ATTEMPTS
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder, "run")
        _make_run(directory, attempts)
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


def _make_run(directory: Path, attempts: int) -> None:
    """A run directory as one leaves it that is killed after its last verdict."""
    domain = load("countdown", None)
    spec = domain.spec
    directory.mkdir()
    settings = RunSettings(
        name="run",
        goal="Solve more countdown problems in up to 16 tries without getting worse at the first",
        environment="countdown",
        environment_version=spec.version,
        metric=spec.metric,
        direction=spec.direction,
        guards=(),
        minutes=600.0,
        tokens=100_000_000,
        seeds=SEEDS,
        workers=1,
        device="cpu",
        sandbox="none",
        seed=0,
        secret="s",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions={},
        attempts=attempts,
        confirmation_seeds=16,
        researcher="catalogue",
    )
    settings.write(directory)
    ledger = Ledger.create(directory / "repository", domain.workspace_template(), message="Baseline")
    rng = np.random.default_rng(0)
    write_json(directory / BASELINE_FILE, {"noise": 0.004})
    laboratory = onlooking(directory)
    store = MeasurementStore(directory / "measurements")
    for seed in range(SEEDS + 1):
        _measure(laboratory, store, ledger.tags()["baseline"], seed, rng)
    files = ledger.files(ledger.tags()["baseline"], spec.editable)
    codes = {0: files}
    commits, parent = {0: ledger.tags()["baseline"]}, 0
    for number in range(1, attempts + 1):
        codes[number] = _drawn(codes[parent], files, rng)
        changed = {path: text for path, text in codes[number].items() if text != codes[parent].get(path)}
        kept = number % 100 == 50
        verdict = "kept" if kept else VERDICTS[int(rng.integers(len(VERDICTS)))]
        ledger.commit_code(
            number,
            commits[parent],
            parent,
            changed,
            hypothesis=f"A change of the controls and the rate, the {number}th, lets the policy train harder",
            mechanism="A control slows the spending of entropy. " * 20,
            researcher="catalogue",
            predicted_score_change=0.004,
            predicted_entropy=0.3,
        )
        commits[number] = ledger.commit_result(
            number, verdict=verdict, reason=_reason(verdict, number), trailers=_trailers(verdict, rng)
        )
        if verdict in ("crashed", "refused"):
            failed = directory / "attempts" / f"{number:04d}"
            failed.mkdir(parents=True)
            (failed / "failure.txt").write_text(LOG)
        if kept:
            for seed in range(SEEDS + 1):
                _measure(laboratory, store, commits[number], seed, rng)
            parent = number


def _drawn(code: dict[str, str], template: dict[str, str], rng: np.random.Generator) -> dict[str, str]:
    """A random point of the catalogue, written over the code of the parent."""
    table, baseline = table_of(template), read(template)
    assert baseline is not None  # noqa: S101

    def choose(question: str, options: list[Option]) -> Option:
        return options[int(rng.integers(len(options)))]

    target = choose_configuration(choose, baseline, table)  # type: ignore[arg-type]
    return apply_edits(code, edits(code, target, template, table), editable=("**",), protected=())


def _reason(verdict: str, number: int) -> str:
    return (
        f"{verdict}: the change of attempt {number} was held against its parent on 13 seeds and all guards."
    )


def _trailers(verdict: str, rng: np.random.Generator) -> dict[str, str]:
    if verdict in ("crashed", "refused"):
        return {}
    return {
        "Score": f"{0.67 + rng.normal(0, 0.004):.5f}",
        "Score-Change": f"{rng.normal(0, 0.004):+.5f}",
        "Score-Change-Standard-Error": "0.002",
        "Entropy-End": f"{0.3 + rng.normal(0, 0.03):.4f}",
        "Seeds": ", ".join(map(str, range(SEEDS + 1))),
        "Diagnosis": "Entropy fell from 0.57 to 0.30 nats a token; 90% of the drop was spent by step 120.",
    }


def _measure(
    laboratory: Laboratory, store: MeasurementStore, commit: str, seed: int, rng: np.random.Generator
) -> None:
    """Put in a score of the usual size."""
    spec = laboratory.spec
    clusters = tuple(str(task // 3) for task in range(TASKS))
    metrics = {
        name: Metric(float(values.mean()), 0.01, tuple(map(float, values)), clusters)
        for name in spec.metrics
        for values in [rng.integers(0, 33, TASKS) / 32]
    }
    store.put(
        Measurement(
            key=laboratory.measurer.key(commit, seed, Split.SELECTION),
            score=Score(spec.metric, metrics),
            policy_hash=f"{commit}-{seed}",
            wall_seconds=9.0,
            cpu_seconds=9.0,
            score_seconds=1.0,
            entropy_start=0.57,
            entropy_end=0.3,
            steps=150,
            law=None,
        )
    )


if __name__ == "__main__":
    main()
