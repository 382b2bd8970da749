"""Assessments on disk: found again by what was assessed, below the folder of the runs.

Owns `assessments/DOMAIN-HASH/` and the JSON of a record. The hash is over everything that decides an answer:
the domain's own code, its spec, template, starting policy, and the thresholds. What changes there asks anew.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from agent.assess.assessing import Finished
from agent.state_files import damaged, read_json, write_json
from environments.base import Environment
from environments.suitability import LIMITS, Assessment
from workspaces.review.text import finite

FORMAT = 1  # one more whenever probes ask something else: what was answered before is then asked anew
FOLDER = "assessments"
RECORD_FILE = "assessment.json"
_KEYS = ("format", "domain", "metric", "form", "seed", "trainings", "assessment")


@dataclass(frozen=True)
class Record:
    """One finished assessment as it is kept; `regime_points` are (lever, entropy, score by metric).

    `regimes`: metric -> regime and the figures that say so.
    """

    domain: str
    metric: str
    form: str
    seed: int
    hours: float
    effect: float | None
    trainings: int
    seconds: float
    left_out: Sequence[str]
    baseline: Sequence[float]
    regime_points: Sequence[tuple[str, float, Mapping[str, float]]]
    created: str
    assessment: Assessment
    regimes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        fields = {name: value for name, value in vars(self).items() if name != "assessment"}
        plain: dict[str, Any] = finite({"format": FORMAT, **fields, "assessment": self.assessment.to_json()})
        return plain

    def write(self, path: Path) -> None:
        write_json(path, self.to_json())

    @classmethod
    def read(cls, path: Path) -> Record:
        """Raises SzilardError where the file is missing or damaged."""
        data = read_json(path, *_KEYS)
        try:
            fields = {name: value for name, value in data.items() if name not in ("format", "assessment")}
            return cls(**fields, assessment=Assessment.from_json(data["assessment"]))
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(path, f"it holds no assessment: {type(error).__name__} {error}") from error


def record_of(
    environment: Environment, finished: Finished, *, metric: str, form: str, seed: int, hours: float,
    effect: float | None, seconds: float, created: str,
) -> Record:  # fmt: skip
    return Record(
        domain=environment.spec.name,
        metric=metric,
        form=form,
        seed=seed,
        hours=hours,
        effect=effect,
        trainings=finished.trainings,
        seconds=round(seconds, 1),
        left_out=list(finished.left_out),
        baseline=list(finished.baseline),
        regime_points=list(finished.regime.points) if finished.regime else [],
        created=created,
        assessment=finished.assessment,
        regimes={name: asdict(read) for name, read in finished.regime.readings.items()}
        if finished.regime
        else {},
    )


def content_hash(environment: Environment) -> str:
    """16 hexadecimal digits over everything that decides how a domain is assessed."""
    digest = hashlib.sha256()
    decided = {"format": FORMAT, "spec": asdict(environment.spec), "thresholds": asdict(LIMITS)}
    digest.update(json.dumps(decided, sort_keys=True, default=str).encode())
    kind = type(environment)
    own = [Path(inspect.getfile(part)) for part in kind.__mro__[:-1] if part.__module__ != "abc"]
    if "." in kind.__module__:  # of a package: the modules beside it are its rules
        own += sorted(Path(inspect.getfile(kind)).parent.glob("*.py"))
    policy = environment.starting_policy()
    named = [
        *((path.name, path) for path in own),
        *sorted(environment.workspace_template().items()),
        *((path.name, path) for path in sorted(policy.iterdir()) if path.is_file()),
    ]
    for name, path in named:
        content = path.read_bytes()
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


def folder_of(environment: Environment, runs: Path) -> Path:
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", environment.spec.name).strip("-") or "domain"
    return runs / FOLDER / f"{name}-{content_hash(environment)}"


def known(environment: Environment, runs: Path, metric: str) -> tuple[Record, Path] | None:
    """The last assessment of this very domain by this metric, a full one before a quick one."""
    found = [
        (Record.read(path), path) for path in sorted(folder_of(environment, runs).glob(f"*/*/{RECORD_FILE}"))
    ]
    fitting = [(record, path) for record, path in found if record.metric == metric]
    return max(fitting, key=lambda one: (one[0].form == "full", one[0].created), default=None)
