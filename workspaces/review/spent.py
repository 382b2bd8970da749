"""What a run has spent beside what it was allowed, in words.

Owns these words; the sums belong to `workspaces.spending`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workspaces.review.text import markdown_table
from workspaces.spending import BUDGETS, Spent


def bounds(settings: Mapping[str, Any]) -> dict[str, float | None]:
    """What the run may spend in all, by the names of `BUDGETS`; None where nothing bounds it."""
    extensions = settings.get("extensions") or ()
    latest = extensions[-1] if extensions else settings
    return {name: latest.get(name) for name in BUDGETS}


def rows(settings: Mapping[str, Any], made: int, spent: Spent) -> list[tuple[str, str, str]]:
    """Budget, what was spent and what was allowed; a language model's only where there is one."""
    allowed = bounds(settings)

    def of(name: str, form: str = ",.10g") -> str:
        value = allowed[name]
        return "not bounded" if value is None else f"{value:{form}}"

    found = [
        ("attempts", f"{made}", of("attempts")),
        ("minutes", f"{spent.seconds / 60:.1f}", of("minutes")),
        ("training seconds", f"{spent.training_seconds:,.1f}{_cut_off(spent)}", of("training_seconds")),
    ]
    if settings["researcher"] in ("language-model", "hybrid"):
        found.append(("tokens", f"{spent.tokens:,}{_uncounted(spent)}", of("tokens", ",")))
        if spent.dollars is not None:
            found.append(("dollars", f"{spent.dollars.normalize():f}", of("dollars")))
    return found


def told(settings: Mapping[str, Any], made: int, spent: Spent) -> str:
    """The same in one line."""
    return "; ".join(
        f"{used} {name}" if allowed == "not bounded" else f"{used} of {allowed} {name}"
        for name, used, allowed in rows(settings, made, spent)
    )


def data(settings: Mapping[str, Any], spent: Spent) -> dict[str, Any]:
    """The same as plain data; dollars are a string of all their digits, None without a price."""
    return {
        "seconds": spent.seconds,
        "training_seconds": spent.training_seconds,
        "trainings": spent.trainings,
        "trainings_cut_off": spent.cut_off,
        "prompt_tokens": spent.prompt_tokens,
        "completion_tokens": spent.completion_tokens,
        "tokens": spent.tokens,
        "replies_uncounted": spent.uncounted,
        "dollars": None if spent.dollars is None else f"{spent.dollars.normalize():f}",
        "allowed": bounds(settings),
    }


def section(settings: Mapping[str, Any], made: int, spent: Spent) -> str:
    """The section of the report."""
    what = (
        "Bounds are looked at before an attempt is begun, with what its race and the confirmation may take "
        "kept back; what is begun is brought to its end. Training seconds are of every training, with those "
        "that failed."
    )
    table = markdown_table(("budget", "spent", "allowed"), rows(settings, made, spent))
    return "\n\n".join(["## What it took", table, what])


def _cut_off(spent: Spent) -> str:
    return (
        f" (and {spent.cut_off} trainings begun and not ended, their time not known)" if spent.cut_off else ""
    )


def _uncounted(spent: Spent) -> str:
    return f" (and {spent.uncounted} replies that the server did not count)" if spent.uncounted else ""
