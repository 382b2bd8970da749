"""The smallest honest domain: learn a hidden direction from labelled points. It trains in a blink.

Owns spec, starting policy and scoring; the negative controls in `unsuitable/` each break one thing of it.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from environments.base import Environment, EnvironmentSpec, InvalidPolicy, Metric, Score, Split

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TEMPLATE = Path(__file__).parent.parent.parent / "workspaces" / "templates" / "direction"
WEIGHTS = "model.safetensors"
HIDDEN = tuple(round(math.sin(1.7 * i + 0.5), 3) for i in range(24))
START = tuple(round(math.cos(2.3 * i + 1.0), 3) for i in range(24))
TASKS = 2000


class Direction(Environment):
    """Which side of a hidden plane a point lies on, some labels being wrong."""

    direction = HIDDEN
    spec = EnvironmentSpec(
        name="direction",
        version="1",
        description="Learn which side of a hidden plane points lie on",
        metric="accuracy",
        metric_meaning="the share of held-out points whose side is told rightly",
        direction="maximise",
        range=(0.0, 1.0),
        metrics=("accuracy",),
        guards=(),
        editable=("direction/learn.py",),
        protected=("train.py",),
        train_command=("python", "train.py"),
        budget={"updates": 60},
        seconds_per_attempt=5.0,
        seeds=5,
        minimum_effect=0.02,
    )

    def workspace_template(self) -> Mapping[str, Path]:
        return {"train.py": TEMPLATE / "train.py", "direction/learn.py": TEMPLATE / "learn.py"}

    @cached_property
    def _folder(self) -> tempfile.TemporaryDirectory[str]:
        return tempfile.TemporaryDirectory(prefix="szilard-direction-")

    def written(self, name: str, text: str) -> Path:
        """A file of the template that is made when the domain is loaded."""
        path = Path(self._folder.name) / "template" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    def starting_policy(self) -> Path:
        """Written when it is first asked for; `data.json` beside the weights is what training learns from."""
        folder = Path(self._folder.name)
        if not (folder / "data.json").exists():
            write_weights(folder, START)
            (folder / "data.json").write_text(json.dumps({"direction": self.direction}))
        return folder

    def score(self, policy: Path, split: Split, seed: int) -> Score:
        return score_of(self.accuracy(policy, split, seed))

    def accuracy(self, policy: Path, split: Split, seed: int) -> list[float]:
        """1.0 or 0.0 for each point of a split."""
        weights = read_weights(policy)
        points, labels = points_of(split, seed)
        return [float(right) for right in (points @ weights > 0) == labels]


def points_of(split: Split, seed: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Held-out points [2000, 24] and which side of the hidden plane they lie on."""
    import numpy as np

    generator = np.random.default_rng([seed, list(Split).index(split)])
    points = generator.normal(size=(TASKS, len(HIDDEN)))
    return points, points @ np.array(HIDDEN) + generator.normal(size=TASKS) > 0


def score_of(outcomes: list[float]) -> Score:
    """A score whose only metric is the mean over tasks."""
    mean = sum(outcomes) / len(outcomes)
    error = (mean * (1 - mean) / len(outcomes)) ** 0.5 if 0 < mean < 1 else 0.0
    clusters = tuple(map(str, range(len(outcomes))))
    return Score("accuracy", {"accuracy": Metric(mean, error, tuple(outcomes), clusters)})


def write_weights(folder: Path, weights: tuple[float, ...]) -> Path:
    """Write a policy folder."""
    import numpy as np
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file({"weights": np.array(weights)}, folder / WEIGHTS)
    return folder


def read_weights(policy: Path) -> NDArray[np.float64]:
    """Raises InvalidPolicy where there are none of the right shape."""
    import numpy as np
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        weights = load_file(policy / WEIGHTS)["weights"]
    except (OSError, SafetensorError, KeyError) as error:
        raise InvalidPolicy(f"{policy} holds no weights: {error}") from error
    if weights.shape != (len(HIDDEN),) or not np.isfinite(weights).all():
        raise InvalidPolicy(f"{policy} holds weights of another shape, or such as are not finite")
    return np.asarray(weights, dtype=np.float64)
