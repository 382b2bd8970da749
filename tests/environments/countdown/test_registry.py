"""An environment is found by name and by path, or refused with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from environments import registry
from environments.base import InvalidEnvironment
from environments.countdown.environment import Countdown
from tests.end_to_end.a_short_run import ENVIRONMENT as QUICK


@pytest.mark.parametrize("name", ["cuontdown", "count", "Countdown"])
def test_unknown_environment_names_the_nearest(name: str) -> None:
    with pytest.raises(InvalidEnvironment, match="The nearest is 'countdown'"):
        registry.load(name)


def test_environment_is_found_by_name_and_by_path() -> None:
    assert registry.load("countdown").spec.name == "countdown"
    quick = registry.load(str(QUICK))
    assert quick.spec.name == "quick-countdown"
    assert quick.spec.budget["updates"] < Countdown.spec.budget["updates"]


USER_DOMAIN = """
from __future__ import annotations
import dataclasses
from typing import ClassVar
from environments.countdown.environment import Countdown

@dataclasses.dataclass
class Options:
    tasks: ClassVar[int] = 3

class Mine(Countdown):
    spec = dataclasses.replace(Countdown.spec, name="mine")
"""


def test_file_may_use_dataclasses_with_postponed_annotations(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(USER_DOMAIN)
    assert registry.load(str(tmp_path / "mine.py")).spec.name == "mine"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "is not a Python file"),
        ("x = 1", "must define one environment class, it defines 0"),
        ("import nowhere_to_be_found", "ModuleNotFoundError"),
        ("def (", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        (USER_DOMAIN.replace("spec = dataclasses", "spec = None and dataclasses"), "Mine has no `spec`"),
        (USER_DOMAIN + "class Second(Mine): pass", "it defines 2"),
        (
            "from environments.language import LanguageEnvironment\nclass Half(LanguageEnvironment): pass",
            "incomplete environment.*reward",
        ),
    ],
)
def test_file_that_defines_no_environment_is_refused_with_the_reason(
    tmp_path: Path, text: str | None, reason: str
) -> None:
    path = tmp_path / "domain.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InvalidEnvironment, match=reason) as caught:
        registry.load(str(path))
    assert str(path) in str(caught.value)
