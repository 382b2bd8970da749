"""Protected. Reads the job, enforces the budget, and writes what is scored: /out/policy."""

import json
import os
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from recipe import LEARNING_RATE, POINTS_A_STEP, STEPS, gradient

ROOT = Path(os.environ.get("SZILARD_ROOT") or "/")


def main() -> None:
    job = json.loads((ROOT / "data" / "job.json").read_text())
    rng = np.random.default_rng(job["seed"])
    weights = load_file(ROOT / "policy" / "model.safetensors")
    with (ROOT / "out" / "trace.jsonl").open("w") as trace:
        for step in range(min(STEPS, job["budget"]["updates"])):
            points = rng.uniform(-2.0, 2.0, (POINTS_A_STEP, 2))
            inside = ((points**2).sum(1) < 1.5).astype(float)
            loss, slope = gradient(weights, points, inside)
            weights = {name: array - LEARNING_RATE * slope[name] for name, array in weights.items()}
            trace.write(json.dumps({"step": step, "loss": loss}) + "\n")
    policy = ROOT / "out" / "policy"
    policy.mkdir()
    (policy / "config.json").write_bytes((ROOT / "policy" / "config.json").read_bytes())
    trained = {name: array.astype(np.float32) for name, array in weights.items()}
    save_file(trained, policy / "model.safetensors")


main()
