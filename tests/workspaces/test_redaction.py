"""No secret of the coordinator's environment, and none of a known form, gets through."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workspaces.redaction import redact_file, redacted

KEY = 'k/9+eF=="quoted"-key'
ENVIRON = {"OPENAI_API_KEY": KEY, "HOME": "/home/someone", "PATH": "/usr/bin"}


@pytest.mark.parametrize(
    "name",
    [
        *(
            "OPENAI_API_KEY",
            "ANTHROPIC_API_KEY",
            "HF_TOKEN",
            "GITHUB_TOKEN",
            "AWS_SECRET_ACCESS_KEY",
            "WANDB_API_KEY",
        ),
        *(
            "DB_PASSWORD",
            "PGPASSWORD",
            "MYSQL_PWD",
            "SECRET",
            "API_KEY_2",
            "my_token",
            "NPM_AUTH",
            "GITLAB_PAT",
        ),
    ],
)
def test_the_value_of_a_key_like_variable_is_a_secret(name: str) -> None:
    assert redacted("before tr0ub4dor&3 after", {name: "tr0ub4dor&3"}) == "before [secret] after"


@pytest.mark.parametrize(
    "name", ["HOME", "PATH", "TOKENIZERS_PARALLELISM", "MONKEY_BUSINESS", "KEYBOARD", "COMPASS"]
)
def test_the_value_of_any_other_variable_is_none(name: str) -> None:
    assert redacted("before tr0ub4dor&3 after", {name: "tr0ub4dor&3"}) == "before tr0ub4dor&3 after"


def test_a_path_and_a_placeholder_are_no_secrets(tmp_path: Path) -> None:
    assert redacted(f"{tmp_path} none", {"SSH_KEY": str(tmp_path), "API_KEY": "none"}) == f"{tmp_path} none"


def test_the_password_of_a_proxy_is_a_secret() -> None:
    environ = {"HTTPS_PROXY": "http://me:hunter2hunter2@proxy:8080"}
    assert redacted("it is hunter2hunter2", environ) == "it is [secret]"
    assert "hunter2" not in redacted("cannot reach http://me:hunter2hunter2@proxy:8080", {})


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcdEFGH1234ijklMNOP5678",
        "sk-ant-api03-abcdEFGH1234ijklMNOP5678",
        "hf_abcdefghijklmnopqrstuvwxyzABCDEFGH",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz",
        "xoxb-123456789012-abcdefghijkl",
        "AKIAIOSFODNN7EXAMPLE",
        "AIzaSyA-abcdefghijklmnopqrstuvwxyz01234",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_a_secret_of_a_known_form_is_taken_out_wherever_it_came_from(secret: str) -> None:
    assert redacted(f"key={secret}.", {}) == "key=[secret]."


def test_research_is_not_taken_for_a_secret() -> None:
    text = (
        "risk-sensitive-policy-gradients-with-1-baseline, task-conditioned-entropy-2, sk-learn-like-pipeline"
    )
    assert redacted(text, {}) == text


@given(before=st.text(max_size=40), after=st.text(max_size=40))
def test_the_key_is_found_amid_anything(before: str, after: str) -> None:
    assert KEY not in redacted(before + KEY + after, ENVIRON)


@given(st.sets(st.integers(0, len(KEY) - 1)), st.booleans())
def test_a_key_that_json_spells_in_another_way_is_found(spelt: set[int], upper: bool) -> None:
    form = "\\u{:04X}" if upper else "\\u{:04x}"
    inside = "".join(
        form.format(ord(char)) if number in spelt else json.dumps(char)[1:-1]
        for number, char in enumerate(KEY)
    )
    reply = f'{{"hypothesis": "{inside}"}}'.replace("/", "\\/" if upper else "/")
    assert json.loads(reply) == {"hypothesis": KEY}
    assert json.loads(redacted(reply, ENVIRON)) == {"hypothesis": "[secret]"}


def test_code_that_spells_characters_keeps_them() -> None:
    code = json.dumps({"content": "ARROW = '\\u0041'\n"}) + r' "\u0041"'
    assert redacted(code, ENVIRON) == code


def test_a_file_of_text_is_rewritten_and_weights_keep_their_length(tmp_path: Path) -> None:
    log, weights, other = tmp_path / "stderr.log", tmp_path / "model.safetensors", tmp_path / "trace.jsonl"
    log.write_bytes(b"\xff" + KEY.encode() + b"\n")
    weights.write_bytes(b"\0\x01" + KEY.encode() + b"\0")
    other.write_text("{}\n")
    untouched = other.stat()
    for path in (log, weights, other):
        redact_file(path, ENVIRON)
    assert log.read_bytes() == b"\xff[secret]\n"
    assert weights.read_bytes() == b"\0\x01" + b"*" * len(KEY.encode()) + b"\0"
    assert other.stat().st_ino == untouched.st_ino
    assert sorted(tmp_path.iterdir()) == sorted((log, weights, other))


@pytest.mark.parametrize("piece", ["sk-", "glpat-", "xoxb-", "eyJaaaaaaaaaaa-", "eyJaaaaaaaaaaa.", "://a:b"])
def test_a_text_is_searched_in_time_that_grows_with_its_length(piece: str) -> None:
    begun = time.process_time()
    redacted(piece * (400_000 // len(piece)), {})
    assert time.process_time() - begun < 2


@pytest.mark.parametrize("word", ["countdown", "optimiser", "baseline", "entropy_control"])
def test_a_word_is_no_secret_whatever_its_variable_is_called(word: str) -> None:
    assert redacted(f"import {word}", {"MY_TOKEN": word}) == f"import {word}"
