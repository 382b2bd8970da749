"""Published claims about entropy, tried again on the domains that are here; a module each."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from environments.base import SzilardError

if TYPE_CHECKING:
    from agent.studies.base import Study

NAMES = ("entropy-law", "entropy-regime", "forking-tokens", "controls")


class UnknownStudy(SzilardError):
    """There is no study of that name."""


def load(name: str) -> Study:
    """The study of a name.

    Raises:
        UnknownStudy: there is none; the message lists them.
    """
    if name not in NAMES:
        raise UnknownStudy(f"There is no study {name!r}. There are: {', '.join(NAMES)}.")
    study: Study = importlib.import_module(f"agent.studies.{name.replace('-', '_')}").STUDY
    return study
