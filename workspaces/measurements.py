"""The store of measurements: one JSON file each, immutable, found again by its key.

Owns the record and its files; it neither measures nor compares.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from environments.base import Score, SzilardError


class MeasurementError(SzilardError):
    """A measurement that is damaged, or that contradicts the one stored under its key."""


@dataclass(frozen=True)
class MeasurementKey:
    """What decides a measurement; `tree` is the hash of the code, `device` a class such as "cpu"."""

    tree: str
    environment: str
    policy: str
    seed: int
    split: str
    budget: str
    device: str

    @cached_property
    def digest(self) -> str:
        """32 hexadecimal digits that name the measurement."""
        canonical = json.dumps(asdict(self), separators=(",", ":"), sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Measurement:
    """One policy scored once.

    Seconds of training are `wall_seconds` and `cpu_seconds`, of scoring `score_seconds`; entropies are in
    nats a token, None where the trace has none; `steps` are optimiser updates; `law` holds the fitted
    constants of the entropy law, None where it was not fitted.
    """

    key: MeasurementKey
    score: Score
    policy_hash: str
    wall_seconds: float
    cpu_seconds: float
    score_seconds: float
    entropy_start: float | None
    entropy_end: float | None
    steps: int
    law: Mapping[str, float] | None

    def to_json(self) -> dict[str, Any]:
        """The record as JSON values; floats survive the way there and back exactly."""
        return {
            "key": asdict(self.key),
            "score": self.score.to_json(),
            "policy_hash": self.policy_hash,
            "wall_seconds": self.wall_seconds,
            "cpu_seconds": self.cpu_seconds,
            "score_seconds": self.score_seconds,
            "entropy_start": self.entropy_start,
            "entropy_end": self.entropy_end,
            "steps": self.steps,
            "law": dict(self.law) if self.law is not None else None,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Measurement:
        """The inverse of `to_json`.

        Raises:
            KeyError, TypeError: a field is missing, unknown or of the wrong shape.
        """
        fields = dict(data)
        key = MeasurementKey(**fields.pop("key"))
        score = Score.from_json(fields.pop("score"))
        if score.primary not in score.metrics:
            raise KeyError(score.primary)
        return cls(key=key, score=score, **fields)


def _require_numbers(score: Score) -> None:
    for name, metric in score.metrics.items():
        for figure in (metric.value, metric.standard_error or 0.0, *metric.per_task):
            if isinstance(figure, bool) or not isinstance(figure, int | float):
                raise TypeError(f"{name} is {figure!r}, which is no number")


class MeasurementStore:
    """Measurements in a directory, `KEY.json` each. Methods may be called from any thread."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._lock = threading.Lock()

    def get(self, key: MeasurementKey) -> Measurement | None:
        """The measurement stored under `key`; None if it has not been made.

        Raises:
            MeasurementError: its file is damaged.
        """
        path = self._path(key)
        return self.read(path) if path.exists() else None

    def put(self, measurement: Measurement) -> None:
        """Store a measurement; nothing happens if the same one is there.

        Raises:
            MeasurementError: another one is stored under the same key, a figure is not finite, or the file
                cannot be written.
        """
        path = self._path(measurement.key)
        try:
            text = json.dumps(measurement.to_json(), separators=(",", ":"), allow_nan=False) + "\n"
        except ValueError:
            raise MeasurementError(
                f"measurement {path.stem} has a figure that is not finite: do not store it, mend the scoring."
            ) from None
        with self._lock:
            if path.exists():
                if self.read(path).to_json() != json.loads(text):
                    raise MeasurementError(
                        f"{path} holds another measurement of the same key. Measurements are immutable: "
                        "move that file away if it is wrong, then repeat."
                    )
                return
            temporary = path.with_suffix(".tmp")
            try:
                self.directory.mkdir(parents=True, exist_ok=True)
                temporary.write_text(text)
                os.replace(temporary, path)
            except OSError as error:
                raise MeasurementError(
                    f"{path} cannot be written ({error.strerror}): make room or mend its rights, then repeat."
                ) from error

    def all(self) -> list[Measurement]:
        """Every measurement, in the order of its digest.

        Raises:
            MeasurementError: a file is damaged.
        """
        return [self.read(path) for path in sorted(self.directory.glob("*.json"))]

    def _path(self, key: MeasurementKey) -> Path:
        return self.directory / f"{key.digest}.json"

    def read(self, path: Path) -> Measurement:
        try:
            measurement = Measurement.from_json(json.loads(path.read_text()))
            json.dumps(measurement.to_json(), allow_nan=False)
            _require_numbers(measurement.score)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise MeasurementError(
                f"{path} is damaged ({type(error).__name__}: {error}). Delete that file: "
                "`szilard resume` then measures it again."
            ) from error
        if measurement.key.digest != path.stem:
            raise MeasurementError(
                f"{path} holds the measurement {measurement.key.digest}. Rename or delete it, then repeat."
            )
        return measurement
