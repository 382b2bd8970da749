"""Tune the baseline: score of the template without a control over learning rate and length.

`python benchmarks/baseline_sweep.py --out docs/baseline-sweep.csv`. Every cell is trained on the same
seeds and scored on the same selection tasks; the row with the best mean is what the domain's recipe ships.
`--environment NAME` is the domain, `--control FILE` another entropy_control.py in place of the template's.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean

REPOSITORY = Path(__file__).parent.parent
SPLIT_SEED = 20_240_601


def train_and_score(
    name: str, learning_rate: float, steps: int, seed: int, control: str | None
) -> dict[str, float]:
    """Train the template once, outside a sandbox, and score it on the selection split."""
    from environments.base import Split
    from environments.language_defaults import with_constants
    from environments.registry import load

    environment = load(name)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for inside in ("workspace/controls", "out", "data"):
            (root / inside).mkdir(parents=True)
        (root / "policy").symlink_to(environment.starting_policy())
        for inside, source in environment.workspace_template().items():
            shutil.copy(source, root / "workspace" / inside)
        recipe = root / "workspace" / "recipe.py"
        recipe.write_text(
            with_constants(recipe.read_text(), {"LEARNING_RATE": learning_rate, "STEPS": steps})
        )
        if control:
            (root / "workspace" / "entropy_control.py").write_text(control)
        job = {
            "environment": name,
            "seed": seed,
            "device": "cpu",
            "budget": {"tokens": 10**9, "updates": 10**6},
        }
        (root / "data" / "job.json").write_text(json.dumps(job))
        started = time.monotonic()
        subprocess.run(
            [sys.executable, "train.py"],
            cwd=root / "workspace",
            env={**os.environ, "SZILARD_ROOT": folder, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)},
            check=True,
        )
        seconds = time.monotonic() - started
        score = environment.score(root / "out" / "policy", Split.SELECTION, SPLIT_SEED)
        return {
            "learning_rate": learning_rate,
            "steps": steps,
            "seed": seed,
            "seconds": round(seconds, 2),
            **{metric: round(figure.value, 5) for metric, figure in score.metrics.items()},
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--environment", default="countdown")
    parser.add_argument("--learning-rates", type=float, nargs="+", default=[1e-4, 2e-4, 3e-4, 4e-4])
    parser.add_argument("--steps", type=int, nargs="+", default=[75, 150])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--control", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()

    import torch

    from environments.registry import load

    torch.set_num_threads(1)
    control = options.control.read_text() if options.control else None
    cells = [
        (options.environment, rate, steps, seed, control)
        for seed in range(options.seeds)
        for steps in options.steps
        for rate in options.learning_rates
    ]
    with ThreadPoolExecutor(options.workers) as pool:
        rows = list(pool.map(lambda cell: train_and_score(*cell), cells))
    if options.out:
        with options.out.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)
    spec = load(options.environment).spec
    names = [*dict.fromkeys((spec.metric, *(guard.metric for guard in spec.guards), "entropy", "seconds"))]
    print("learning rate  steps  " + "  ".join(names))
    for steps in options.steps:
        for rate in options.learning_rates:
            cell = [row for row in rows if (row["learning_rate"], row["steps"]) == (rate, steps)]
            figures = "  ".join(f"{mean(row[name] for row in cell):{len(name)}.4f}" for name in names)
            each = ", ".join(f"{row[spec.metric]:.4f}" for row in cell)
            print(f"{rate:13.0e}  {steps:5d}  {figures}  ({each})")


if __name__ == "__main__":
    main()
