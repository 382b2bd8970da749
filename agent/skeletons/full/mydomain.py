"""mydomain: tell points inside a ring from those outside, with a template and a scorer of its own.

Beside this file: mydomain_template/ is the code under research, mydomain_start/ the policy that every attempt
starts from. Replace all three, then: szilard env check ./mydomain.py --quick
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from environments.base import Environment, EnvironmentSpec, InvalidPolicy, Metric, Score, Split

HERE = Path(__file__).parent
POINTS = 400
SHAPES = {"w1": (2, 16), "b1": (16,), "w2": (16,), "b2": (1,)}


class MyDomain(Environment):
    """One class a file."""

    contract = 1  # the version of the contract that this was written for
    spec = EnvironmentSpec(
        name="mydomain",
        version="1",  # raise it when the template's protected files or the score change
        description="Tell points inside a ring from those outside",
        metric="accuracy",  # what is optimised; one of `metrics`
        metric_meaning="share of new points that are told right",
        direction="maximise",
        range=(0.0, 1.0),
        metrics=("accuracy",),
        guards=(),  # Guard("other_metric", 0.02): may fall by at most so much
        editable=("recipe.py",),  # what a researcher may change
        protected=("train.py",),  # what no attempt may change
        train_command=("python", "train.py"),
        budget={"updates": 300},  # train.py reads it in /data/job.json, and must enforce it
        seconds_per_attempt=1.0,
        seeds=5,
    )

    def workspace_template(self) -> Mapping[str, Path]:
        """Path in the work tree -> file that it is copied from."""
        return {path.name: path for path in sorted((HERE / "mydomain_template").glob("*.py"))}

    def starting_policy(self) -> Path:
        """It lies read-only at /policy during a training."""
        return HERE / "mydomain_start"

    def score(self, policy: Path, split: Split, seed: int) -> Score:
        """Outside the sandbox, from what a training left: read data, run no code of it, write nothing."""
        import numpy as np
        from safetensors.numpy import load_file

        weights = load_file(policy / "model.safetensors")
        if {name: array.shape for name, array in weights.items()} != SHAPES:
            raise InvalidPolicy(f"{policy} holds weights of other shapes than {SHAPES}.")
        rng = np.random.default_rng([seed, list(Split).index(split)])
        points = rng.uniform(-2.0, 2.0, (POINTS, 2))
        inside = (points**2).sum(1) < 1.5
        hidden = np.tanh(points @ weights["w1"] + weights["b1"])
        right = ((hidden @ weights["w2"] + weights["b2"]) > 0) == inside
        error = float(right.std(ddof=1)) / POINTS**0.5
        per_task = tuple(map(float, right))
        metric = Metric(float(right.mean()), error, per_task, tuple(map(str, range(POINTS))))
        return Score("accuracy", {"accuracy": metric})
