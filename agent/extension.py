"""An ended run goes on: with more attempts or minutes, and with a new seal where the old one was broken.

Owns who may go on, what run.json says of it, and the setting aside of the confirmation that was known. Alpha
is not given anew: what was planned for it at the start holds for all attempts that are ever made.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean

from agent.budget import reserve
from agent.closing_seeds import measured_closing_seeds
from agent.confirm import CONFIRMATION_FILE, next_record, read_confirmation
from agent.decision import alpha_for_entrant, expected_entrants
from agent.history import History
from agent.measurement_keys import sealed_seed
from agent.opening import REPOSITORY, environment_of
from agent.seeds import BRANCHED, EXTENDED
from agent.settings import Extension, RunSettings
from agent.state_files import Clock, read_json
from environments.base import Environment, SzilardError
from workspaces.ledger import Ledger
from workspaces.review.record import UNSUITABLE_FILE
from workspaces.spending import cost, read_spent


class CannotGoOn(SzilardError):
    """A run that has not ended, or that what was asked for would not bring any further."""


@dataclass(frozen=True)
class Amount:
    """A bound as it was typed: `value` more than is used (+20), or in all (40)."""

    value: float
    more: bool

    def over(self, used: float) -> float:
        return used + self.value if self.more else self.value


@dataclass(frozen=True)
class Asked:
    """What a run that goes on may spend; None leaves a bound as it is."""

    attempts: Amount | None = None
    minutes: Amount | None = None
    training_seconds: Amount | None = None
    tokens: Amount | None = None
    dollars: Amount | None = None


def extend(directory: Path, asked: Asked, clock: Path) -> None:
    """Write into run.json that the run goes on, and set its confirmation aside.

    Raises:
        CannotGoOn: the run is unsuitable or has not ended, or there would be no room for an attempt.
        InvalidEnvironment: the domain has no confirmation tasks left that were not opened.
        SzilardError: a file of the run is damaged.
    """
    settings, at = RunSettings.read(directory), f"szilard resume {directory}"
    if (directory / UNSUITABLE_FILE).exists():
        reason = read_json(directory / UNSUITABLE_FILE, "reason")["reason"]
        raise CannotGoOn(f"{directory} cannot be given more: its domain is unsuitable. {reason}")
    if not (directory / CONFIRMATION_FILE).exists():
        raise CannotGoOn(
            f"{directory} has not ended: `{at}` goes on with what it has left. "
            "More is given once it has ended."
        )
    confirmation = read_confirmation(directory / CONFIRMATION_FILE)
    environment = environment_of(directory, settings)
    made = len(Ledger.open(directory / REPOSITORY).attempts())
    extension = Extension.model_validate(
        {
            "after": made,
            "attempts": _attempts(asked.attempts, settings, made, at),
            **_bounds(asked, directory, settings, environment, clock, at),
            "record": next_record(directory),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        }
    )
    changes: dict[str, object] = {"extensions": (*settings.extensions, extension)}
    if confirmation["winner"] and "stands" not in confirmation:
        changes["opened"] = (*settings.opened, sealed_seed(settings.secret))
        broken = settings.model_copy(update=changes)
        changes["secret"] = broken.derive_secret(directory.resolve().parent)
        environment.resealed(broken.opened, sealed_seed(str(changes["secret"])))
    settings.model_copy(update=changes).write(directory)
    set_aside(directory)


def set_aside(directory: Path) -> None:
    """Set aside the confirmation that was known when the run went on; done as often as asked."""
    settings = RunSettings.read(directory)
    known = directory / CONFIRMATION_FILE
    if settings.extensions and known.exists() and not (directory / settings.extensions[-1].record).exists():
        os.replace(known, directory / settings.extensions[-1].record)


def announcement(settings: RunSettings, history: History) -> str:
    """What is left of alpha for a run that goes on, in one sentence."""
    outcomes = [outcome for outcome in history.race_outcomes() if outcome not in (BRANCHED, EXTENDED)]
    following = alpha_for_entrant(settings.alpha, outcomes, expected_entrants(settings.attempts))
    until = f"up to {settings.allowed.attempts} attempts"
    if settings.allowed.minutes is not None:
        until += f" and {settings.allowed.minutes:g} minutes"
    return (
        f"The run goes on, {until}. Its alpha of {settings.alpha:g} holds for all attempts together: "
        f"{len(outcomes)} entrants have had theirs, the next one may spend {following:.3g}."
    )


def _attempts(asked: Amount | None, settings: RunSettings, made: int, at: str) -> int:
    wanted = int(asked.over(made)) if asked is not None else settings.allowed.attempts
    if wanted > made:
        return wanted
    bound = f"{wanted} in all" if asked is not None else "all that it was given"
    raise CannotGoOn(f"The run has made {made} attempts, {bound}. Give it more: `{at} --attempts +20`.")


def _bounds(
    asked: Asked, directory: Path, settings: RunSettings, environment: Environment, clock: Path, at: str
) -> dict[str, float | None]:
    """What minutes, training seconds, tokens and dollars the run may spend in all from now on."""
    spent = read_spent(directory, settings.price)
    rows = read_json(directory / "baseline.json", "seeds")["seeds"]
    seconds = [row["seconds"] for row in rows]
    closing = measured_closing_seeds(directory, settings, environment).trainings
    kept_back = reserve(fmean(seconds), max(seconds), closing, settings)
    used_and_needed = {
        "minutes": (Clock(clock).seconds / 60, kept_back.seconds / 60),
        "training_seconds": (spent.training_seconds, kept_back.training_seconds),
        "tokens": (float(spent.tokens), float(sum(spent.longest))),
        "dollars": (float(spent.dollars or 0), float(cost(*spent.longest, settings.price or (0, 0)))),
    }
    return {
        name: _bound(name, getattr(asked, name), getattr(settings.allowed, name), *amounts, at)
        for name, amounts in used_and_needed.items()
    }


def _bound(
    name: str, asked: Amount | None, held: float | None, used: float, needed: float, at: str
) -> float | None:
    option, unit = f"--{name.replace('_', '-')}", name.replace("_", " ")
    if held is None:
        if asked is not None:
            raise CannotGoOn(f"The run was not bounded by {option}: leave it away.")
        return None
    bound = asked.over(used) if asked is not None else held
    if bound <= used + needed:
        more = f"{option} +{math.ceil(2 * needed) or 1}"
        raise CannotGoOn(
            f"The run has used {used:.4g} {unit}, and one more attempt with what follows it may take "
            f"{needed:.4g}: {bound:.4g} in all leave no room for it. "
            f"Give it more: `{at} --attempts +20 {more}`."
        )
    return bound
