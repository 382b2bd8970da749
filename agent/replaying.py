"""A run that replays the replies of another one: what it takes from that run, and what the two must share.

Owns the comparison of their settings; finding the replies belongs to `researchers.stored_replies`.
"""

from __future__ import annotations

from pathlib import Path

from agent.settings import ASKING_A_MODEL, RunSettings
from environments.base import SzilardError

MAY_DIFFER = {
    *("name", "created", "versions", "secret", "opened", "extensions", "replays"),
    *("minutes", "training_seconds", "sandbox", "keep_policies", "force"),
}


class CannotReplay(SzilardError):
    """The other run has no replies, or other questions than this run would ask."""


def replayed(run: Path) -> RunSettings:
    """The settings of a run whose replies are to be given again.

    Raises:
        CannotReplay: no language model proposed in it.
        InvalidRun: it is no run.
    """
    settings = RunSettings.read(run)
    if settings.researcher not in ASKING_A_MODEL:
        raise CannotReplay(
            f"{run} has no replies: the {settings.researcher} researcher proposed in it, and asks nobody. "
            "Its command makes the same run again."
        )
    return settings


def require_alike(settings: RunSettings) -> None:
    """Refuse a replay whose questions would differ from those of the run that it replays.

    Raises:
        CannotReplay: the message names the settings that differ.
    """
    if settings.replays is None:
        return
    mine, theirs = (
        one.model_dump(mode="json", exclude=MAY_DIFFER)
        for one in (settings, replayed(Path(settings.replays)))
    )
    differing = [
        f"{name} ({theirs[name]} there, {mine[name]} here)" for name in mine if mine[name] != theirs[name]
    ]
    if differing:
        raise CannotReplay(
            f"{settings.replays} was asked otherwise, so its replies do not fit: {'; '.join(differing)}. "
            "Repeat its command, with --replay in the place of --model."
        )
