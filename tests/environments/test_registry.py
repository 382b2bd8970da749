"""A broken plug-in is one sentence with file and line, and never takes another environment down."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.adapter_check import list_all, look_at, require_sound
from environments import registry
from environments.base import InvalidEnvironment
from tests.environments.an_adapter import GOOD, line_with, written

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a package with an entry point where this process and those that it starts look for packages."""
    site = tmp_path / "site-packages"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", str(site))

    def put(package: str, text: str, name: str = "tens", value: str | None = None) -> Path:
        module = site / f"{package}.py"
        module.write_text(text)
        meta = site / f"{package}-1.0.dist-info"
        meta.mkdir()
        (meta / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        entry = f"[szilard.environments]\n{name} = {value or f'{package}:Mine'}\n"
        (meta / "entry_points.txt").write_text(entry)
        importlib.invalidate_caches()
        sys.modules.pop(package, None)
        return module

    return put


def test_an_installed_environment_is_found_by_name_and_listed(install: Install) -> None:
    install("tenspackage", GOOD)
    assert registry.load("tens").spec.name == "mine"
    assert ("tens", "tenspackage 1.0") in [(row.name, row.origin) for row in registry.listed()]


def test_a_broken_installed_environment_leaves_the_others_in_the_list(install: Install) -> None:
    broken = install("brokenpackage", "import random\n\nimport nowhere_to_be_found\n", name="broken")
    install("tenspackage", GOOD)
    faults = {row.name: fault for row, fault in list_all()}
    assert faults["countdown"] is None
    assert faults["tens"] is None
    assert f"{broken}:3" in str(faults["broken"])
    assert "No module named 'nowhere_to_be_found'" in str(faults["broken"])


def test_two_packages_with_one_name_are_both_refused_and_named(install: Install) -> None:
    install("onepackage", GOOD)
    install("otherpackage", GOOD)
    with pytest.raises(InvalidEnvironment, match=r"onepackage 1.0 .* and otherpackage 1.0 .*: uninstall"):
        registry.load("tens")
    assert registry.load("countdown").spec.name == "countdown"


def test_a_built_in_name_stays_the_built_in_one_and_the_clash_is_told(install: Install) -> None:
    install("impostor", GOOD, name="countdown")
    assert registry.load("countdown").spec.name == "countdown"
    clashes = [row.clash for row in registry.listed() if row.origin == "impostor 1.0"]
    assert "the built-in one is used" in str(clashes[0])


def test_an_entry_point_that_is_no_environment_is_refused(install: Install) -> None:
    install("tenspackage", GOOD + "\nANSWER = 42\n", value="tenspackage:ANSWER")
    with pytest.raises(
        InvalidEnvironment, match=r"must be a class that is an Environment, it is of type int"
    ):
        registry.load("tens")


def test_a_package_that_no_sandbox_shows_is_refused_before_a_run(install: Install) -> None:
    install("tenspackage", GOOD)
    with pytest.raises(InvalidEnvironment, match=r"not visible in the sandbox.* without --editable"):
        require_sound("tens")


@pytest.mark.parametrize(
    ("text", "told", "at"),
    [
        ("import random\n\nimport nowhere_to_be_found\n", "No module named", "nowhere_to_be_found"),
        ("x = 1\nclass Mine(:\n", "SyntaxError", "class Mine"),
        (GOOD + "\n\nclass Second(Mine):\n    pass\n", "defines 2: Mine on line 9, Second on line 33", None),
        (GOOD.replace("contract = 1", "contract = 0"), "today's is 1. What changed since 1:", "class Mine"),
        (GOOD.replace("contract = 1", "contract = 99"), "pip install --upgrade szilard", "class Mine"),
        (GOOD.replace("contract = 1", "contract = 'one'"), "no version of the contract", "class Mine"),
        (GOOD + "\n    def __init__(self):\n        self.x = 1 / 0\n", "Mine() cannot be made", "1 / 0"),
        (GOOD.replace("recipe = {", "policy = 'nobody'\n    recipe = {"), "no policy 'nobody'", None),
        (GOOD.replace('{"STEPS"', '{"STRIDES"'), "The recipe has no constant 'STRIDES'", None),
    ],
)  # fmt: skip
def test_a_broken_file_is_one_sentence_with_file_and_line(
    tmp_path: Path, text: str, told: str, at: str | None
) -> None:
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(InvalidEnvironment) as caught:
        require_sound(str(path))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    if at is not None:
        assert line_with(path, at) in str(caught.value)


def test_a_hanging_task_is_ended_and_its_line_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SZILARD_CHECK_SECONDS", "2")
    path = written(tmp_path, ("while len(found) < count:", "while True:"))
    finding = look_at(str(path), "vital")[-1]
    assert (finding.check, finding.outcome) == ("tasks are tasks", "failed")
    assert "did not come back within 2 s" in finding.said
    lines = path.read_text().splitlines()
    named = int(finding.said.partition("mine.py:")[2].partition(":")[0])
    loop = next(number for number, line in enumerate(lines, 1) if "while True" in line)
    assert loop <= named <= loop + 5


def test_an_adapter_that_ends_the_process_is_a_finding(tmp_path: Path) -> None:
    path = written(tmp_path, ("return list(found.values())", "import os; os._exit(7)"))
    finding = look_at(str(path), "vital")[-1]
    assert finding.check == "tasks are tasks"
    assert "ended the process (exit code 7)" in finding.said


def test_a_module_of_the_working_directory_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "neighbour.py").write_text("")
    path = written(tmp_path, before="import neighbour\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidEnvironment, match="No module named 'neighbour'"):
        require_sound(str(path))
