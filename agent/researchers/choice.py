"""Which researcher a run asks, made by its settings.

Owns the choice; each researcher is a module of its own, imported when it is asked for.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from agent.events import Observer
from agent.researchers.base import Researcher
from agent.settings import ASKING_A_MODEL, InvalidOption, RunSettings


def researcher_of(
    settings: RunSettings, directory: Path | None = None, observer: Observer | None = None
) -> Researcher:
    """Who proposes in this run; `directory` is where it lives, None while it does not.

    `observer` hears how a language model's replies come in.

    Raises:
        SzilardError: a language model that cannot be reached with these settings.
    """
    if settings.researcher in ("tpe", "hybrid") and find_spec("optuna") is None:
        raise InvalidOption(f"--researcher {settings.researcher} needs Optuna: pip install 'szilard[tpe]'.")
    if settings.researcher in ASKING_A_MODEL:
        from agent.researchers.allowance import Allowance, Bounds
        from agent.researchers.hybrid import HybridResearcher
        from agent.researchers.language_model import LanguageModelResearcher
        from agent.researchers.stored_replies import StoredReplies

        if settings.model is None:
            raise InvalidOption(f"--researcher {settings.researcher} needs --model NAME.")
        allowed = settings.allowed
        allowance = Allowance(directory, Bounds(allowed.tokens, allowed.dollars, settings.price))
        replies = StoredReplies(Path(settings.replays), settings.model) if settings.replays else None
        model = LanguageModelResearcher(
            settings.model, replies=replies, allowance=allowance, observer=observer
        )
        return HybridResearcher(model) if settings.researcher == "hybrid" else model
    if settings.program is not None:
        from agent.researchers.command import CommandResearcher

        return CommandResearcher(settings.program, settings.sandbox)
    from agent.researchers import blind, catalogue

    if settings.researcher == "tpe":
        return blind.TpeResearcher()
    return blind.RandomResearcher() if settings.researcher == "random" else catalogue.CatalogueResearcher()
