"""Tune the baseline: score of the template without a control over learning rate and length.

`python benchmarks/baseline_sweep.py --out docs/baseline-sweep.csv`. Every cell is trained on the same
seeds and scored on the same selection tasks; the row with the best mean is what recipe.py ships.
`--control FILE` sweeps another entropy_control.py in place of the template's.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
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


def train_and_score(learning_rate: float, steps: int, seed: int, control: str | None) -> dict[str, float]:
    """Train the template once, outside a sandbox, and score it on the selection split."""
    from environments.base import Split
    from environments.registry import load

    environment = load("countdown")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in ("workspace/controls", "out", "data"):
            (root / name).mkdir(parents=True)
        (root / "policy").symlink_to(environment.starting_policy())
        for inside, source in environment.workspace_template().items():
            shutil.copy(source, root / "workspace" / inside)
        recipe = (root / "workspace" / "recipe.py").read_text()
        recipe = re.sub(r"^LEARNING_RATE = .*$", f"LEARNING_RATE = {learning_rate}", recipe, flags=re.M)
        recipe = re.sub(r"^STEPS = .*$", f"STEPS = {steps}", recipe, flags=re.M)
        (root / "workspace" / "recipe.py").write_text(recipe)
        if control:
            (root / "workspace" / "entropy_control.py").write_text(control)
        job = {
            "environment": "countdown",
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
            **{name: round(metric.value, 5) for name, metric in score.metrics.items()},
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learning-rates", type=float, nargs="+", default=[1e-4, 2e-4, 3e-4, 4e-4])
    parser.add_argument("--steps", type=int, nargs="+", default=[75, 150])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--control", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()

    import torch

    torch.set_num_threads(1)
    control = options.control.read_text() if options.control else None
    cells = [
        (rate, steps, seed, control)
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
    print("learning rate  steps  mean pass@k  pass@1  pass@16  entropy  seconds")
    for steps in options.steps:
        for rate in options.learning_rates:
            cell = [row for row in rows if (row["learning_rate"], row["steps"]) == (rate, steps)]
            figures = [
                mean(row[name] for row in cell)
                for name in ("mean_pass_at_k", "pass_at_1", "pass_at_16", "entropy", "seconds")
            ]
            each = ", ".join(f"{row['mean_pass_at_k']:.4f}" for row in cell)
            print(
                f"{rate:13.0e}  {steps:5d}  " + "  ".join(f"{value:.4f}" for value in figures) + f"  ({each})"
            )


if __name__ == "__main__":
    main()
