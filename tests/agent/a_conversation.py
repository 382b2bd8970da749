"""A run that a language model is told of, and the replies it may give."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from agent.researchers.base import Context, HistoryEntry
from agent.researchers.language_model import LanguageModelResearcher
from environments.base import EnvironmentSpec, Guard

KEY = "sk-secret-0123456789abcdef"


RECIPE = "LEARNING_RATE = 3e-5\nSTEPS = 300\nCLIP = 0.2\n"


FILES = {"recipe.py": RECIPE, "entropy_control.py": "TERMS = ()\n"}


SPEC = EnvironmentSpec(
    name="countdown",
    version="1",
    description="Reach a target number with four numbers.",
    metric="mean_pass",
    metric_meaning="Mean of pass@k over k = 1, 2, 4, 8, 16.",
    direction="maximise",
    range=(0.0, 1.0),
    metrics=("mean_pass", "pass@1"),
    guards=(Guard("pass@1", 0.02),),
    editable=("*.py", "controls/*.py"),
    protected=("train.py",),
    train_command=("python", "train.py"),
    budget={"tokens": 500_000, "updates": 1200},
    seconds_per_attempt=20.0,
    seeds=5,
)


BASELINE = HistoryEntry(
    number=0,
    parent=None,
    researcher="template",
    hypothesis="The unmodified template",
    mechanism="",
    predicted_score_change=None,
    predicted_entropy=None,
    verdict="kept",
    score=0.66881234,
    entropy=0.31,
    files=FILES,
)


def attempt(number: int, **figures: Any) -> HistoryEntry:
    entry = HistoryEntry(
        number=number,
        parent=0,
        researcher="language-model",
        hypothesis=f"Hypothesis number {number}",
        mechanism="",
        predicted_score_change=0.005,
        predicted_entropy=0.3,
        verdict="reverted",
        reason="The gain did not survive noise.",
        score=0.6693,
        score_change=0.00048766,
        standard_error=0.0021,
        entropy=0.27,
        files={**FILES, "recipe.py": RECIPE.replace("3e-5", "5e-5")},
    )
    return replace(entry, **figures)


CONTEXT = Context(
    goal="Solve more problems in up to 16 tries",
    spec=SPEC,
    attempt=3,
    attempts=12,
    seed=7,
    parent=0,
    files=FILES,
    protected_files={"train.py": "BUDGET = 300\n"},
    baseline=BASELINE,
    incumbent=BASELINE,
    history=(attempt(1), attempt(2, verdict=None, reason=None, score=None, score_change=None)),
    noise=0.0031,
    diagnostics="Entropy fell from 0.46 to 0.31 nats a token.",
)


def proposal(**changes: Any) -> dict[str, Any]:
    return {
        "hypothesis": "A higher learning rate trains harder",
        "mechanism": "Larger steps.",
        "predicted_score_change": 0.004,
        "predicted_entropy": 0.28,
        "edits": [{"path": "recipe.py", "search": "LEARNING_RATE = 3e-5", "replace": "LEARNING_RATE = 5e-5"}],
        **changes,
    }


GOOD = json.dumps(proposal())


UNMATCHED = json.dumps(
    proposal(
        edits=[{"path": "recipe.py", "search": "LEARNING_RATE = 2e-5", "replace": "LEARNING_RATE = 9e-5"}]
    )
)


Connect = Callable[..., LanguageModelResearcher]


def stored(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (directory / "conversation.jsonl").read_text().splitlines()]
