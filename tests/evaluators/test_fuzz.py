"""Fuzzed: the header and the weights of a policy, and its config.json."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evaluators.policy import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    PolicyConfig,
    PolicyFileError,
    load_policy,
    save_policy,
)
from tests.evaluators.test_policy import tiny_policy
from tests.fuzzing import fuzzed, json_values, mangled_bytes, nothing_outside, spoilt, spoilt_json


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("watched")
    save_policy(tiny_policy(), folder)
    return folder


@pytest.fixture(scope="module")
def weights(folder: Path) -> bytes:
    return (folder / WEIGHTS_FILE).read_bytes()


def parts(weights: bytes) -> tuple[dict[str, Any], bytes]:
    length = int.from_bytes(weights[:8], "little")
    return json.loads(weights[8 : 8 + length]), weights[8 + length :]


dtypes = st.sampled_from(
    [
        "F64",
        "F32",
        "F16",
        "BF16",
        "I64",
        "I8",
        "U8",
        "U64",
        "BOOL",
        "F8_E4M3",
        "F8_E5M2",
        "F8_E8M0",
        "F4",
        "C64",
        "F6_E2M3",
        "X",
    ]
)
numbers = st.integers(-1, 200) | st.sampled_from([2**31, 2**63, 2**64, -(2**63), 1e9, None, "1", 10**30])


@st.composite
def headers(draw: st.DrawFn, header: dict[str, Any]) -> dict[str, Any]:
    """A header in which some tensors say something else of themselves."""
    changed = dict(header)
    for name in draw(st.lists(st.sampled_from(sorted(header)), min_size=1, max_size=3, unique=True)):
        entry = dict(changed[name])
        match draw(st.integers(0, 5)):
            case 0:
                entry["dtype"] = draw(dtypes)
            case 1:
                entry["shape"] = draw(st.lists(numbers, max_size=5))
            case 2:
                entry["data_offsets"] = draw(st.lists(numbers, max_size=3))
            case 3:
                changed[draw(st.text(max_size=12))] = changed.pop(name)
                continue
            case 4:
                changed[name] = draw(json_values)
                continue
            case _:
                entry["dtype"], entry["shape"] = draw(dtypes), draw(st.lists(st.integers(0, 64), max_size=3))
        changed[name] = entry
    return changed


def packed(header: Any, data: bytes, claimed: int | None = None) -> bytes:
    text = json.dumps(header).encode()
    return (len(text) if claimed is None else claimed).to_bytes(8, "little") + text + data


@fuzzed
@given(data=st.data())
def test_any_weights_are_loaded_or_refused(folder: Path, weights: bytes, data: st.DataObject) -> None:
    header, body = parts(weights)
    drawn = data.draw(
        st.one_of(
            headers(header).map(lambda changed: packed(changed, body)),
            spoilt(header).map(lambda changed: packed(changed, body)),
            st.integers(0, 2**64 - 1).map(lambda claimed: packed(header, body, claimed)),
            st.integers(0, len(weights)).map(lambda length: weights[:length]),
            mangled_bytes(weights[: len(weights) - len(body)]).map(lambda start: start + body),
            st.binary(max_size=64),
            json_values.map(lambda value: packed(value, body)),
        )
    )
    loads_or_refuses(folder, drawn)


@pytest.mark.parametrize("dtype", ["F4", "F8_E8M0", "F6_E2M3", "C64", "F8_E4M3", "BOOL", "U64", "X"])
def test_weights_of_any_type_are_loaded_or_refused(folder: Path, weights: bytes, dtype: str) -> None:
    for length in (1, 2, 8):
        header = {"lm_head.weight": {"dtype": dtype, "shape": [length], "data_offsets": [0, length]}}
        for size in (length // 2, length, length * 8):
            header["lm_head.weight"]["data_offsets"] = [0, size]
            loads_or_refuses(folder, packed(header, bytes(size)))


@pytest.mark.parametrize("header", [b"[" * 100_000, b'{"a":' * 100_000, b"", b"{}" + b" " * 10**6])
def test_a_poisoned_header_is_refused(folder: Path, header: bytes) -> None:
    loads_or_refuses(folder, len(header).to_bytes(8, "little") + header)


def loads_or_refuses(folder: Path, data: bytes) -> None:
    with nothing_outside(folder), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (folder / WEIGHTS_FILE).write_bytes(data)
        try:
            load_policy(folder)
        except PolicyFileError as error:
            said = str(error)
            assert str(folder) in said


CONFIG = {
    "model_type": "llama",
    "hidden_act": "silu",
    "vocab_size": 12,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "eos_token_id": [1],
    "pad_token_id": None,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
}


@fuzzed
@given(spoilt_json(CONFIG))
@example(b"[" * 100_000)
@example(json.dumps({**CONFIG, "vocab_size": 1e400}).encode())
@example(json.dumps({**CONFIG, "eos_token_id": []}).encode())
def test_any_configuration_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.getbasetemp() / "configuration"
    folder.mkdir(exist_ok=True)
    with nothing_outside(folder):
        (folder / CONFIG_FILE).write_bytes(data)
        try:
            found = PolicyConfig.read(folder)
        except PolicyFileError:
            return
        assert isinstance(found.vocab_size, int)
