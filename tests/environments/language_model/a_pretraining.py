"""A pre-training as the executor starts it, without a sandbox, with a few lines of train.py changed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from environments.language_model.environment import LanguageModel

REPOSITORY = Path(__file__).parents[3]
SHORT: Mapping[str, str] = {
    "STEPS = 192": "STEPS = 3",
    "LENGTH = 256": "LENGTH = 32",
    "WIDTH = 64": "WIDTH = 16",
    "FEED_FORWARD = 176": "FEED_FORWARD = 16",
}


def pretrain(
    root: Path,
    changes: Mapping[str, str] = SHORT,
    *,
    files: Mapping[str, str] | None = None,
    budget: Mapping[str, int] | None = None,
    seed: int = 1,
) -> subprocess.CompletedProcess[str]:
    """Train once; `changes` are lines of train.py, `files` whole files. All it writes lies in root/out."""
    domain = LanguageModel()
    for name in ("workspace/controls", "out", "data"):
        (root / name).mkdir(parents=True)
    for inside, source in domain.workspace_template().items():
        shutil.copy(source, root / "workspace" / inside)
    script = root / "workspace" / "train.py"
    text = script.read_text()
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    script.write_text(text)
    for inside, content in (files or {}).items():
        (root / "workspace" / inside).write_text(content)
    job = {"seed": seed, "device": "cpu", "budget": dict(budget or domain.spec.budget)}
    (root / "data" / "job.json").write_text(json.dumps(job))
    return subprocess.run(
        [sys.executable, "train.py"],
        cwd=root / "workspace",
        env={**os.environ, "SZILARD_ROOT": str(root), "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def trace_of(root: Path) -> list[dict]:
    return [json.loads(line) for line in (root / "out" / "trace.jsonl").read_text().splitlines()]
