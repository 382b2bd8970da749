"""What a training and a scoring are told, and what a measurement is known by: all of it derived, none drawn.

Owns the derivation from a run's seed and secret; whoever trains and scores uses it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agent.settings import TrainingSettings
from environments.base import Environment, Split
from workspaces.measurements import MeasurementKey


@dataclass(frozen=True)
class Derived:
    """The numbers of one run; each is 31 bits long."""

    settings: TrainingSettings

    def number(self, purpose: str) -> int:
        """A number for a purpose, equal for runs of an equal `--seed` anywhere."""
        return _number(f"szilard {self.settings.seed}", purpose)

    def folder_name(self, purpose: str) -> str:
        """A folder for a job: code under research sees where it is mounted from; the path tells nothing."""
        return f"{_number(self.settings.secret, purpose):08x}"

    def unseen_seed(self, split: Split, seed: int) -> int:
        """The seed that running and scoring are told: no training can know it."""
        return _number(self.settings.secret, f"unseen:{split}:{seed}")

    def tasks_seed(self, split: Split) -> int:
        """Which tasks are scored."""
        if split is Split.CONFIRMATION:
            return sealed_seed(self.settings.secret)
        return self.number(f"tasks:{split}")


def sealed_seed(secret: str) -> int:
    """Which tasks are sealed: they depend on a secret that enters no sandbox."""
    return _number(secret, f"tasks:{Split.CONFIRMATION}")


def snapshot_key(key: MeasurementKey, updates: int) -> MeasurementKey:
    """The key of what a training scored after so many updates."""
    return replace(key, split=f"{key.split} after {updates} updates")


def policy_hash(environment: Environment) -> str:
    """16 hexadecimal digits over the files of the policy that a domain starts from."""
    return content_hash(sorted(environment.starting_policy().iterdir()))


def content_hash(files: Sequence[Path]) -> str:
    """16 hexadecimal digits over names and contents."""
    digest = hashlib.sha256()
    for path in files:
        if path.is_file():
            digest.update(f"{path.name} {path.stat().st_size}\n".encode())
            with path.open("rb") as file:
                while block := file.read(2**20):
                    digest.update(block)
    return digest.hexdigest()[:16]


def _number(key: str, purpose: str) -> int:
    return int.from_bytes(hmac.new(key.encode(), purpose.encode(), hashlib.sha256).digest()[:4], "big") >> 1
