"""A training of a domain as the executor starts it, without a sandbox, at constants of the test's."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from environments.base import Environment
from environments.language_defaults import with_constants

REPOSITORY = Path(__file__).parents[2]


def train(
    root: Path, domain: Environment, constants: dict[str, int], *, given_policy: bool = False, seed: int = 1
) -> list[dict]:
    """Train once and return the trace; the policy lies in root/out/policy."""
    for name in ("workspace/controls", "out", "data"):
        (root / name).mkdir(parents=True)
    (root / "policy").symlink_to(domain.starting_policy())
    for inside, source in domain.workspace_template().items():
        shutil.copy(source, root / "workspace" / inside)
    recipe = root / "workspace" / "recipe.py"
    recipe.write_text(with_constants(recipe.read_text(), constants))
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
        env={**os.environ, "SZILARD_ROOT": str(root), "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in (root / "out" / "trace.jsonl").read_text().splitlines()]
