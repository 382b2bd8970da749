"""What a check is: a name, a time limit, and a function that finds something or says what to change.

Owns the records; the checks are beside this file, their order is in `environments.conformance`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from environments.base import Environment, SzilardError
from environments.blame import file_of, place_of
from environments.language import LanguageEnvironment

SECONDS = 20.0

Outcome = Literal["passed", "warned", "failed", "left out"]


@dataclass(frozen=True)
class Finding:
    """What one check said: what was found, and where it did not pass, what to change. `seconds` it took."""

    check: str
    outcome: Outcome
    said: str
    remedy: str = ""
    seconds: float | None = None


class Nonconforming(SzilardError):
    """An adapter breaks the contract: what was found, and what to change."""

    def __init__(self, said: str, remedy: str, *, warning: bool = False) -> None:
        super().__init__(f"{said}. {remedy}")
        self.said = said
        self.remedy = remedy
        self.warning = warning


@dataclass(frozen=True)
class Adapter:
    """What is checked: an environment and the name it was loaded by.

    `shown(path)`: whether a sandbox shows a file. `remembered` is for the next checks.
    """

    name: str
    environment: Environment
    shown: Callable[[Path], bool]
    remembered: dict[str, Any] = field(default_factory=dict)

    @property
    def file(self) -> Path | None:
        """The Python file that defines it."""
        return file_of(self.environment)

    @property
    def language(self) -> LanguageEnvironment:
        """The environment of the checks that are for prompts and rewards only."""
        assert isinstance(self.environment, LanguageEnvironment)  # noqa: S101
        return self.environment

    def at(self, method: str) -> str:
        """`mydomain.py:12`: where a method is defined."""
        return place_of(getattr(type(self.environment), method))

    def fault(self, method: str, said: str, remedy: str, *, warning: bool = False) -> Nonconforming:
        """What is wrong with what a method does."""
        return Nonconforming(f"{self.at(method)}: {method}() {said}", remedy, warning=warning)


@dataclass(frozen=True)
class Check:
    """One check. `examine` returns what it found, or raises Nonconforming.

    `vital`: nothing works where it fails, so the checks after it are left out. `needs` are checks without
    which this one says nothing. `language`: it is for prompts and rewards. `policy`: for what is scored from
    a policy, and not by commands. `seconds`: its limit.
    """

    name: str
    examine: Callable[[Adapter], str]
    vital: bool = False
    needs: tuple[str, ...] = ()
    language: bool = False
    policy: bool = False
    seconds: float = SECONDS
