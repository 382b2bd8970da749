"""A run of countdown whose ledger, measurements and logs are real files, and in which nothing was trained."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

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

SEEDS = 12
WINS_EVERY = 100
VERDICTS = ("reverted", "inconclusive", "stopped-early", "crashed", "refused")
TASKS = 512
LOG = "Traceback (most recent call last):\n" + '  File "recipe.py", line 40, in train\n    step()\n' * 30


def make_run(directory: Path, attempts: int) -> None:
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
    write_json(directory / BASELINE_FILE, {"noise": 0.004, "detectable": 0.0123})
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
        kept = number % WINS_EVERY == WINS_EVERY // 2 or number == 2
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
    assert baseline is not None

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
