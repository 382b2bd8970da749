"""Fuzzed: the TOML file of a command environment, and what its commands print as a metric."""

from __future__ import annotations

import json
import math
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from environments.command.file import InvalidCommandFile, read_command_file
from environments.command.metric import read_number
from tests.environments.command.test_file import REPORTED, SECONDS, WHOLE
from tests.fuzzing import fuzzed, json_values, mangled, mangled_bytes, nothing_outside, spoilt


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("watched")


def toml(value: Any) -> str:
    """A value as TOML, or as something near it that a person may write."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return "nothing" if value is None else json.dumps(value)


def told(record: dict[str, Any]) -> str:
    return "".join(f"{json.dumps(key)} = {toml(value)}\n" for key, value in record.items())


files = st.sampled_from([WHOLE, SECONDS, REPORTED])
texts = (
    files.flatmap(lambda text: spoilt(tomllib.loads(text))).map(told).map(str.encode)
    | files.flatmap(lambda text: mangled_bytes(text.encode()))
    | st.binary(max_size=60)
)


@fuzzed
@example(data=WHOLE.replace("20", "[" * 3000).encode())
@example(data=WHOLE.replace('"A toy"', "1" * 5000).encode())
@example(data=WHOLE.replace("{seed}", "\\u0000 {seed}").encode())
@given(data=texts)
def test_any_file_is_a_command_environment_or_refused(folder: Path, data: bytes) -> None:
    path = folder / "any.toml"
    path.write_bytes(data)
    with nothing_outside(folder):
        try:
            read = read_command_file(path)
        except InvalidCommandFile as refused:
            said = str(refused)
        else:
            said = f"{path}: {read.train}" if read.editable else ""
    assert str(path) in said


@fuzzed
@example(text="[" * 100_000)
@example(text="1" * 5000)
@given(
    text=mangled('step 1\naccuracy 0.91\n{"deep": {"accuracy": 0.91}}\n0.91\n')
    | json_values.map(lambda value: json.dumps({"deep": {"accuracy": value}}))
    | st.text(max_size=200)
)
@pytest.mark.parametrize("way", [{"pattern": "accuracy ([0-9.]+)"}, {"key": "deep.accuracy"}, {}])
def test_any_print_holds_one_finite_number_or_none(way: dict[str, str], text: str) -> None:
    found = read_number(text, way.get("pattern"), way.get("key"))
    assert found is None or math.isfinite(found)
