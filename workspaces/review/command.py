"""The command that makes a run again, from its settings.

Owns which options that takes; what they mean is said by the command line.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from workspaces.review.record import RunRecord
from workspaces.spending import BUDGETS


def run_command(run: RunRecord) -> str:
    """`szilard run …` with every option that decides what the run does; its name is left to be chosen."""
    settings = run.settings
    words: list[str] = [
        "szilard", "run", settings["goal"],
        "--environment", settings["environment"],
        "--metric", settings["metric"],
    ]  # fmt: skip
    for guard in settings["guards"]:
        words += ["--guard", f"{guard['metric']}={guard['tolerance']:g}"]
    words += _options(settings, BUDGETS)
    if settings.get("price"):
        words += ["--price", "/".join(f"{one:g}" for one in settings["price"])]
    if settings.get("replays"):
        words += ["--replay", settings["replays"]]
    who = () if settings.get("replays") else ("researcher", "model")
    for name in ("seeds", "workers", "device", *who, "search"):
        value = settings[name]
        if value is not None:
            words += [f"--{name}", f"{value:g}" if isinstance(value, float) else str(value)]
    if settings.get("minimum_effect"):
        words += ["--minimum-effect", f"{settings['minimum_effect']:g}"]
    for name in settings.get("controls") or ():
        words += ["--control", str(run.directory / "controls" / f"{name}.py")]
    words += ["--sandbox", settings["sandbox"], "--seed", str(settings["seed"])]
    if settings.get("self_reported"):
        words.append("--accept-self-reported")
    if settings["keep_policies"]:
        words.append("--keep-policies")
    return shlex.join(words)


def commands_again(run: RunRecord) -> str:
    """`run_command` and, for a run that went on after its end, the commands that made it."""
    lines = [run_command(run)]
    for before, extension in zip([run.settings, *run.extensions], run.extensions, strict=False):
        changed = [name for name in BUDGETS if extension.get(name) != before.get(name)]
        lines.append(shlex.join(["szilard", "resume", "RUN", *_options(extension, changed)]))
    return "\n".join(lines)


def _options(bounds: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    given = [(name.replace("_", "-"), bounds.get(name)) for name in names]
    return [word for name, value in given if value is not None for word in (f"--{name}", f"{value:.10g}")]


def sameness(run: RunRecord) -> str:
    """What of a run comes out the same when its command is given again, and what does not."""
    settings = run.settings
    if settings["device"] == "cuda":
        told = ["Trainings on a GPU can differ in their last bits, so the ledger need not come out the same."]
    else:
        told = ["On the same kind of CPU, with the same versions, it makes the same ledger."]
    if settings["minutes"] is not None:
        made = sum(run.verdicts().values())
        told.append(
            f"With `--minutes {settings['minutes']:g}` the number of attempts hangs on the machine's speed: "
            f"here it was {made} of at most {run.attempts_allowed}."
        )
    if not settings.get("trains_policy", True):
        if settings.get("deterministic"):
            told = ["Seconds are measured: they differ from run to run, and with them the ledger."]
        told.append("What scoring is told as a seed hangs on a key that is kept in the runs folder.")
        return " ".join(told)
    told.append(
        "The sealed tasks are chosen with a key that is kept in the runs folder: under another one the "
        "confirmation is on other tasks."
    )
    return " ".join(told)
