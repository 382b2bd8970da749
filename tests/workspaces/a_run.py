"""A small finished run on disk, made through the real ledger: what the review verbs read."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from workspaces.ledger import Ledger

NAME = "20261123-countdown-a1b2"
HOSTILE = "KL to the start \x1b[31m0.05\x1b[0m [bold]lets\u202e[/bold] | `it` <b>train</b> at 1e-4"
# verdict, change, half width, parent, entropy, hypothesis
ATTEMPTS: tuple[tuple[str, float | None, float, int, float, str], ...] = (
    ("reverted", -0.0031, 0.0055, 0, 0.31, "Clip-Cov 0.02 alone spares entropy where it is spent fastest"),
    ("kept", 0.0061, 0.0031, 0, 0.27, HOSTILE),
    ("crashed", None, 0.0, 2, 0.0, "A forking-token mask over the top fifth trains what decides"),
    ("inconclusive", 0.0022, 0.0043, 2, 0.29, "An entropy bonus of 0.005 on top keeps pass@16 up"),
    ("reverted", -0.0480, 0.0090, 2, 0.05, "Learning rate x5 alone finishes sooner"),
    ("kept", 0.0041, 0.0029, 2, 0.33, "pass@2 advantages on top of KL train for the best of two"),
    ("refused", None, 0.0, 6, 0.0, "The same code as attempt 2, formatted otherwise"),
    ("reverted", 0.0004, 0.0050, 6, 0.34, "Clip-higher 0.28 leaves room for rare tokens"),
)


def settings(**changes: Any) -> dict[str, Any]:
    return {
        "format": 1,
        "name": NAME,
        "goal": "Solve more countdown problems in up to 16 tries without getting worse at the first",
        "environment": "countdown",
        "environment_version": "1",
        "metric": "S",
        "direction": "maximise",
        "guards": [{"metric": "pass@1", "tolerance": 0.02}],
        "attempts": 8,
        "minutes": None,
        "seeds": 5,
        "confirmation_seeds": 5,
        "workers": 1,
        "device": "cpu",
        "researcher": "catalogue",
        "model": None,
        "search": "hill-climb",
        "sandbox": "bubblewrap",
        "policy": None,
        "trains_policy": True,
        "seed": 0,
        "secret": "never-shown-to-anyone",
        "alpha": 0.1,
        "keep_policies": False,
        "created": "2026-11-23T12:00:00+00:00",
        "versions": {"szilard": "0.1.0", "torch": "2.13.0"},
    } | changes


def confirmation() -> dict[str, Any]:
    draw = random.Random(0)

    def seeds(score: float, first: float, sixteenth: float, entropy: float) -> list[dict[str, Any]]:
        return [
            {
                "seed": seed,
                "metrics": {
                    "S": score + draw.gauss(0, 0.003),
                    "pass@1": first + draw.gauss(0, 0.004),
                    "pass@4": score + 0.03,
                    "pass@16": sixteenth + draw.gauss(0, 0.005),
                },
                "entropy": entropy,
            }
            for seed in range(100, 105)
        ]

    rows = (
        ("learning rate x0.5", 1.5e-5, 300, 0.6610, 0.430, 0.836, 0.35),
        ("learning rate x2", 6e-5, 300, 0.6660, 0.512, 0.769, 0.21),
        ("learning rate x3", 9e-5, 300, 0.6610, 0.540, 0.735, 0.17),
        ("half as long", 3e-5, 150, 0.6590, 0.418, 0.841, 0.37),
    )
    return {
        "split": "confirmation",
        "metric": "S",
        "opened": 1,
        "baseline": {"seeds": seeds(0.6688, 0.470, 0.808, 0.29)},
        "winner": {"attempt": 6, "seeds": seeds(0.6781, 0.466, 0.838, 0.33)},
        "change": 0.00891,
        "interval": [0.0042, 0.0136],
        "selection_change": 0.0102,
        "guards": [{"metric": "pass@1", "change": -0.0041, "tolerance": 0.02, "holds": True}],
        "frontier": [
            {"label": label, "learning_rate": rate, "steps": steps, "seeds": seeds(*means)}
            for label, rate, steps, *means in rows
        ],
        "above_frontier": True,
        "frontier_reason": "S of the winner is +0.00870 above the best point of the frontier.",
    }


def build_run(directory: Path, *, confirmed: bool = True, **changes: Any) -> Path:
    """Write the run into `directory`; its figures are made up, its ledger is real."""
    directory.mkdir(parents=True)
    (directory / "run.json").write_text(json.dumps(settings(name=directory.name, **changes)))
    recipe = directory / "recipe.py"
    recipe.write_text("LEARNING_RATE = 3e-5\nSTEPS = 300\n")
    ledger = Ledger.create(directory / "repository", {"recipe.py": recipe}, message="The template")
    recipe.unlink()
    (directory / "baseline.json").write_text(
        json.dumps(
            {
                "score": 0.66881,
                "standard_error": 0.00182,
                "noise": 0.00364,
                "entropy_end": 0.29,
                "seeds": [
                    {"seed": seed, "score": 0.6688, "entropy": 0.29, "seconds": 18.2} for seed in range(6)
                ],
            }
        )
    )
    above = {0: 0.0}
    code = {0: ledger.tags()["baseline"]}
    for number, (verdict, change, half, parent, entropy, hypothesis) in enumerate(ATTEMPTS, start=1):
        code[number] = ledger.commit_code(
            number,
            code[parent],
            parent,
            {"recipe.py": f"LEARNING_RATE = {number}e-5\nSTEPS = 300\n"},
            hypothesis=hypothesis,
            mechanism="It slows the spending of entropy.\nVerdict: kept",
            researcher="catalogue",
            predicted_score_change=0.004,
            predicted_entropy=0.3,
        )
        trailers: dict[str, str] = {}
        above[number] = above[parent] + (change or 0.0)
        if change is not None:
            trailers = {
                "Score": str(0.66881 + above[number]),
                "Score-Standard-Error": "0.00191",
                "Score-Change": f"{change:+.5f}",
                "Score-Change-Interval": f"[{change - half:+.5f}, {change + half:+.5f}]",
                "Guards": "pass@1 -0.004 (tolerance 0.02, holds)",
                "Compared-With": str(parent),
                "Alpha-Spent": "0.02",
                "Seeds": "0, 1, 2, 3, 4, 5" if abs(change) > 0.001 else "0",
                "Entropy-Start": "0.46",
                "Entropy-End": str(entropy),
                "Train-Seconds": "91.5",
                "Sandbox": "bubblewrap",
            }
        if verdict == "crashed":
            logs = directory / "attempts" / f"{number:04d}"
            logs.mkdir(parents=True)
            (logs / "stderr.log").write_text("step 1\nRuntimeError: \x1b]0;owned\x07mask has no tokens\n")
        ledger.commit_result(number, verdict=verdict, reason=f"because it was {verdict}", trailers=trailers)
        if verdict == "kept":
            ledger.set_incumbent(code[number])
    if confirmed:
        (directory / "confirmation.json").write_text(json.dumps(confirmation()))
    return directory
