"""Protected. The training command: draws points of a hidden direction, learns it, writes a policy."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from direction.learn import Array, learn

ROOT = Path(os.environ.get("SZILARD_ROOT") or "/")


def main() -> None:
    job = json.loads((ROOT / "data" / "job.json").read_text())
    policy = load_file(ROOT / "policy" / "model.safetensors")
    generator = np.random.default_rng(job["seed"])
    hidden = np.array(json.loads((ROOT / "policy" / "data.json").read_text())["direction"])

    def draw(count: int) -> tuple[Array, Array]:
        points = generator.normal(size=(count, len(hidden)))
        labels = np.where(points @ hidden + generator.normal(size=count) > 0, 1.0, -1.0)
        return points, labels

    weights = learn(policy["weights"], draw)
    out = ROOT / "out" / "policy"
    out.mkdir()
    save_file({"weights": weights}, out / "model.safetensors")
    (ROOT / "out" / "trace.jsonl").write_text(
        "".join(
            json.dumps({"step": step, "reward_mean": 0.5, "entropy_mean": 0.5}) + "\n" for step in range(2)
        )
    )


if __name__ == "__main__":
    main()
