"""A training of a reasoning_gym domain as the executor starts it, without a sandbox, for a few steps."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from environments.base import Environment

ROOM = Path(__file__).parents[3]


def train(
    root: Path, domain: Environment, constants: dict[str, int], *, given_policy: bool, seed: int = 1
) -> list[dict]:
    """Train once and return the trace; the policy lies in root/out/policy."""
    for name in ("workspace/controls", "out", "data"):
        (root / name).mkdir(parents=True)
    (root / "policy").symlink_to(domain.starting_policy())
    for inside, source in domain.workspace_template().items():
        shutil.copy(source, root / "workspace" / inside)
    recipe = root / "workspace" / "recipe.py"
    text = recipe.read_text()
    for name, value in constants.items():
        text = re.sub(rf"^{name} = .*$", f"{name} = {value}", text, flags=re.M)
    recipe.write_text(text)
    job = {
        "environment": domain.spec.name,
        "seed": seed,
        "device": "cpu",
        "budget": dict(domain.spec.budget),
        "given_policy": given_policy,
    }
    (root / "data" / "job.json").write_text(json.dumps(job))
    done = subprocess.run(
        [sys.executable, "train.py"],
        cwd=root / "workspace",
        env={**os.environ, "SZILARD_ROOT": str(root), "PYTHONPATH": str(ROOM), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in (root / "out" / "trace.jsonl").read_text().splitlines()]
