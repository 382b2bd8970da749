"""What is said of a run that had ended and went on: when, how often, and what was known by then.

Owns these words; the record of it is in run.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from workspaces.plain_text import markdown
from workspaces.review.claim import confirmation_sentence
from workspaces.review.record import RunRecord, read_confirmation
from workspaces.review.text import times
from workspaces.spending import BUDGETS


def rows(run: RunRecord) -> list[dict[str, Any]]:
    """Each extension as plain data, with the confirmation that was known."""
    return [{**one, "known": _known(run, one)} for one in run.extensions]


def told(run: RunRecord) -> str | None:
    """How often the run was extended, and what was known each time, in one line; None if it never was."""
    if not run.extensions:
        return None
    each = "; ".join(
        f"after attempt {one['after']}, when it was known: {_known(run, one)}" for one in run.extensions
    )
    return f"{times(len(run.extensions))} ({each})"


def caveat(run: RunRecord) -> str:
    """What that does to the claims of the run; empty where it was never extended."""
    if not run.extensions:
        return ""
    first = run.extensions[0]["after"] + 1
    return (
        f"Attempts from {first} on were made after a first result had been seen. The chance of keeping any "
        f"null edit is still at most {run.settings['alpha']:g} over all attempts together, so later ones had "
        "less alpha to spend. Every confirmation is a 95% interval of its own: of several, one is wrong more "
        "often than of one."
    )


def section(run: RunRecord) -> str:
    """The section of the report; empty where the run was never extended."""
    if not run.extensions:
        return ""
    lines = [
        f"- After attempt {one['after']} ({one['created']}), up to {_bounds(one)}. Known by then: "
        f"{markdown(_known(run, one))} (`{one['record']}`)."
        for one in run.extensions
    ]
    heading = f"## Extended {times(len(run.extensions))} after it had ended"
    return "\n\n".join([heading, "\n".join(lines), caveat(run)])


def _known(run: RunRecord, extension: Mapping[str, Any]) -> str:
    known = read_confirmation(run.directory / extension["record"])
    if known is None:
        return "not to be read any more"
    return confirmation_sentence(replace(run, confirmation=known))


def _bounds(extension: Mapping[str, Any]) -> str:
    held = [(name.replace("_", " "), extension.get(name)) for name in BUDGETS]
    return ", ".join(f"{value:,.10g} {name}" for name, value in held if value is not None)
