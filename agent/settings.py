"""run.json: everything that was asked of a run. With the ledger it rebuilds the run.

Owns the record and its file; what the settings mean belongs to the rooms that read them.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from agent.program import Program
from agent.run_file import CHECKSUM, RUN_FILE, text_of
from environments.base import Score, SzilardError

Researchers = Literal["catalogue", "language-model", "random", "tpe", "hybrid", "command"]
Search = Literal["hill-climb", "tree"]
AT_ONCE = ("catalogue", "random", "tpe")
ASKING_A_MODEL = ("language-model", "hybrid")

KEY_FILE = ".key"


class InvalidOption(SzilardError):
    """An option that names nothing, or asks for what cannot be had."""


class InvalidRun(SzilardError):
    """A directory that is not a run, or whose run.json cannot be read."""


class GuardSetting(BaseModel):
    """`metric` must not fall below the baseline's by more than `tolerance`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: str
    tolerance: float = Field(ge=0.0, allow_inf_nan=False)


class TrainingSettings(BaseModel):
    """What is trained on which domain, where and with which seeds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    name: str
    goal: str
    environment: str
    environment_version: str
    policy: str | None = Field(default=None, description="folder of the policy that was asked for")
    policy_hash: str | None = Field(default=None, description="of its files, when the run was planned")
    metric: str
    direction: Literal["maximise", "minimise"]
    guards: tuple[GuardSetting, ...]
    minutes: float | None = Field(default=None, gt=0)
    minimum_effect: float = Field(
        default=0.0, ge=0.0, allow_inf_nan=False, description="a gain of the metric that is of interest"
    )
    seeds: int = Field(ge=2, description="evidence seeds of whatever is compared")
    workers: int = Field(ge=1)
    device: Literal["cpu", "cuda"]
    sandbox: str
    seed: int
    secret: str = Field(
        default="",
        repr=False,
        description="chooses the tasks of the confirmation; never enters a sandbox",
    )
    opened: tuple[int, ...] = Field(
        default=(), description="seeds of the sealed tasks that earlier ends of the run have opened"
    )
    created: str
    versions: dict[str, str]
    trains_policy: bool = Field(default=True, description="a policy with an entropy is trained")
    self_reported: bool = Field(default=False, description="code that may be edited prints the metric")
    deterministic: bool = Field(default=False, description="a seed changes nothing but timing")
    confirmed_on: str = Field(
        default="fresh seeds and sealed tasks", description="what the confirmation rests on"
    )

    @property
    def sign(self) -> float:
        """By which a figure of the metric is multiplied so that higher is better."""
        return 1.0 if self.direction == "maximise" else -1.0

    def signed(self, score: Score) -> float:
        """The metric's value in a score, signed so that higher is better."""
        return self.sign * score.metrics[self.metric].value

    @property
    def seal(self) -> int:
        """Which seal the confirmation breaks: 1, and one more for each that an earlier end has broken."""
        return len(self.opened) + 1


class Extension(BaseModel):
    """A run that had ended goes on: what it may spend in all from then on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    after: int = Field(ge=0, description="attempts made before")
    attempts: int = Field(ge=1)
    minutes: float | None = Field(default=None, gt=0)
    training_seconds: float | None = Field(default=None, gt=0)
    tokens: int | None = Field(default=None, ge=1)
    dollars: float | None = Field(default=None, gt=0)
    record: str = Field(description="file of the confirmation that was known when it was decided to go on")
    created: str


class RunSettings(TrainingSettings):
    """What a run pursues and may spend. Written at the start, and again when an ended run goes on.

    `attempts` and `minutes` are what was planned at the start: alpha is shared out by them for good.
    """

    attempts: int = Field(ge=1)
    training_seconds: float | None = Field(default=None, gt=0, description="wall seconds of all trainings")
    tokens: int | None = Field(default=None, ge=1, description="prompts and replies of the language model")
    dollars: float | None = Field(default=None, gt=0, description="what those cost, by `price`")
    price: tuple[float, float] | None = Field(
        default=None, description="dollars for a million tokens, of prompts and of replies"
    )
    confirmation_seeds: int = Field(ge=2)
    researcher: Researchers
    model: str | None = None
    replays: str | None = Field(default=None, description="folder of the run whose replies are given again")
    program: Program | None = Field(default=None, description="what --researcher command runs")
    search: Search = "hill-climb"
    alpha: float = Field(default=0.1, gt=0, lt=1)
    keep_policies: bool = False
    force: bool = Field(default=False, description="the run goes on although its domain is unsuitable")
    controls: tuple[str, ...] = Field(default=(), description="modules of the user's own controls")

    extensions: tuple[Extension, ...] = ()

    @property
    def allowed(self) -> RunSettings | Extension:
        """What bounds the run now: attempts, minutes, training seconds, tokens and dollars in all."""
        return self.extensions[-1] if self.extensions else self

    @property
    def rounds_at_once(self) -> int:
        """2 where the next round is proposed while this one trains: a researcher that takes its time would
        else keep several workers waiting.
        """
        return 1 if self.workers == 1 or self.researcher in AT_ONCE else 2

    def stretch_before(self, number: int) -> int:
        """The last attempt of the stretches before that of `number`; 0 in the first."""
        return max((one.after for one in self.extensions if one.after < number), default=0)

    def stretch_of(self, number: int) -> int:
        """1 for an attempt of the run as it was begun, 2 after it had ended and went on, and so on."""
        return 1 + sum(one.after < number for one in self.extensions)

    def derive_secret(self, runs_dir: Path) -> str:
        """The secret of a run with this seed: equal for equal seeds and seals under one runs directory, and
        not to be guessed from the seed, since it hangs on a key that is made there once.
        """
        path = runs_dir / KEY_FILE
        runs_dir.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            temporary = runs_dir / f"{KEY_FILE}.{secrets.token_hex(4)}"
            try:
                temporary.touch(mode=0o600)
                temporary.write_text(secrets.token_hex(32))
                with suppress(FileExistsError):
                    os.link(temporary, path)
            finally:
                temporary.unlink(missing_ok=True)
        key = path.read_text().encode()
        purpose = f"run:{self.seed}" + (f":seal:{self.seal}" if self.opened else "")
        return hmac.new(key, purpose.encode(), hashlib.sha256).hexdigest()

    def write(self, directory: Path) -> None:
        """Write run.json under a temporary name and rename it."""
        temporary = directory / (RUN_FILE + ".tmp")
        temporary.write_text(text_of(self.model_dump(mode="json")))
        temporary.chmod(0o600)
        os.replace(temporary, directory / RUN_FILE)

    @classmethod
    def read(cls, directory: Path) -> RunSettings:
        """Read run.json.

        Raises:
            InvalidRun: no run lives there, or its run.json is damaged.
        """
        path = directory / RUN_FILE
        try:
            settings = json.loads(path.read_text())
            if isinstance(settings, dict):
                settings.pop(CHECKSUM, None)
            return cls.model_validate(settings)
        except FileNotFoundError:
            raise InvalidRun(
                f"{directory} is not a run: it has no {RUN_FILE}. List runs with `szilard status`."
            ) from None
        except (OSError, ValueError, RecursionError) as error:
            reason = str(error).splitlines()[0][:200]
            raise InvalidRun(
                f"{path} is damaged ({reason}). Nothing was changed. Restore the file; "
                f"the ledger in {directory / 'repository'} is intact and plain git can read it."
            ) from error
