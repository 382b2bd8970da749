"""What the policy promises: a Hugging Face folder, the numbers of transformers, a sentence on damage."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from evaluators.policy import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    Policy,
    PolicyConfig,
    PolicyFileError,
    load_policy,
    save_policy,
)
from evaluators.sampling import load_tokenizer

SHIPPED = Path(__file__).parents[2] / "environments" / "countdown" / "policy"


def tiny_config(**changes: Any) -> PolicyConfig:
    shape: dict[str, Any] = {
        "vocab_size": 13,
        "hidden_size": 24,
        "intermediate_size": 40,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "rope_theta": 777.0,
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": False,
        "bos_token_id": None,
        "eos_token_id": 1,
        "pad_token_id": 0,
    }
    return PolicyConfig(**{**shape, **changes})


def tiny_policy(seed: int = 0, **changes: Any) -> Policy:
    torch.manual_seed(seed)
    policy = Policy(tiny_config(**changes)).eval()
    for parameter in policy.parameters():
        torch.nn.init.normal_(parameter, mean=float(parameter.ndim == 1), std=0.3)
    return policy


def transformers_logits(folder: Path, tokens: torch.Tensor) -> torch.Tensor:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=False, dtype=torch.float32)
    with torch.no_grad():
        logits: torch.Tensor = model.eval()(tokens).logits
    return logits


def logits_of(policy: Policy, tokens: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        logits: torch.Tensor = policy(tokens)
    return logits


def test_shipped_policy_gives_the_logits_that_transformers_gives() -> None:
    tokens = torch.randint(2, 106, (5, 20), generator=torch.Generator().manual_seed(0))
    ours = logits_of(load_policy(SHIPPED), tokens)
    torch.testing.assert_close(ours, transformers_logits(SHIPPED, tokens), atol=1e-4, rtol=0)


def test_shipped_tokenizer_loads_in_transformers_and_reads_prompts_alike() -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(SHIPPED, trust_remote_code=False)
    prompt = "CD 3 10 7 1 99 > 3 + 10 13 <eos>"
    assert tokenizer(prompt)["input_ids"] == load_tokenizer(SHIPPED).encode(prompt).ids
    config = PolicyConfig.read(SHIPPED)
    assert (tokenizer.eos_token_id, tokenizer.pad_token_id) == (config.eos_token_id, config.pad_token_id)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("key_heads", [1, 2, 4])
def test_grouped_keys_and_tied_embeddings_agree_with_transformers(
    tmp_path: Path, key_heads: int, tied: bool
) -> None:
    policy = tiny_policy(num_key_value_heads=key_heads, tie_word_embeddings=tied)
    save_policy(policy, tmp_path)
    tokens = torch.randint(0, 13, (3, 17), generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(
        logits_of(policy, tokens), transformers_logits(tmp_path, tokens), atol=1e-4, rtol=0
    )


@pytest.mark.parametrize("tied", [False, True])
def test_folder_written_by_transformers_is_read(tmp_path: Path, tied: bool) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = vars(tiny_config(tie_word_embeddings=tied, hidden_size=32)) | {"bos_token_id": 1}
    torch.manual_seed(0)
    theirs = LlamaForCausalLM(LlamaConfig(**shape)).eval()
    theirs.save_pretrained(tmp_path)
    tokens = torch.randint(0, 13, (2, 9), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = theirs(tokens).logits
    assert PolicyConfig.read(tmp_path).rope_theta == 777.0
    torch.testing.assert_close(logits_of(load_policy(tmp_path), tokens), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("tied", [False, True])
def test_saved_policy_loads_bit_for_bit(tmp_path: Path, tied: bool) -> None:
    policy = tiny_policy(tie_word_embeddings=tied)
    save_policy(policy, tmp_path)
    again = load_policy(tmp_path)
    assert again.config == policy.config
    assert again.state_dict().keys() == policy.state_dict().keys()
    for name, weight in policy.state_dict().items():
        assert torch.equal(again.state_dict()[name], weight), name
    save_policy(again, tmp_path / "again")
    for file in (CONFIG_FILE, WEIGHTS_FILE):
        assert (tmp_path / "again" / file).read_bytes() == (tmp_path / file).read_bytes()


def test_later_tokens_change_no_earlier_logits() -> None:
    policy = tiny_policy()
    tokens = torch.randint(0, 13, (1, 12), generator=torch.Generator().manual_seed(2))
    changed = tokens.clone()
    changed[0, 8:] = (changed[0, 8:] + 1) % 13
    torch.testing.assert_close(logits_of(policy, tokens)[:, :8], logits_of(policy, changed)[:, :8])


class Marker:
    """Unpickling it leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.path,)


def reweighted(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    weights = load_file(folder / WEIGHTS_FILE)
    change(weights)
    save_file(weights, folder / WEIGHTS_FILE)


def reconfigured(folder: Path, **changes: Any) -> None:
    raw = json.loads((folder / CONFIG_FILE).read_text())
    (folder / CONFIG_FILE).write_text(json.dumps({**raw, **changes}))


def truncate(folder: Path, kept: float) -> None:
    data = (folder / WEIGHTS_FILE).read_bytes()
    (folder / WEIGHTS_FILE).write_bytes(data[: int(len(data) * kept)])


def spoil(folder: Path, value: float, dtype: torch.dtype = torch.float32) -> None:
    def change(weights: dict[str, torch.Tensor]) -> None:
        weights["model.norm.weight"] = torch.ones(24, dtype=dtype)
        weights["model.norm.weight"][3] = value

    reweighted(folder, change)


def put_a_folder_for_weights(folder: Path) -> None:
    (folder / WEIGHTS_FILE).unlink()
    (folder / WEIGHTS_FILE).mkdir()


def tie_without_embeddings(folder: Path) -> None:
    reconfigured(folder, tie_word_embeddings=True)
    reweighted(folder, lambda w: (w.pop("lm_head.weight"), w.pop("model.embed_tokens.weight")))


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (shutil.rmtree, "config.json cannot be read"),
    "no config": (lambda f: (f / CONFIG_FILE).unlink(), "config.json cannot be read"),
    "no weights": (lambda f: (f / WEIGHTS_FILE).unlink(), "model.safetensors cannot be read"),
    "weights are a folder": (
        put_a_folder_for_weights,
        "model.safetensors cannot be read",
    ),
    "config is no JSON": (lambda f: (f / CONFIG_FILE).write_text("{"), "config.json cannot be read"),
    "config is a list": (lambda f: (f / CONFIG_FILE).write_text("[]"), "config.json cannot be read"),
    "config is not text": (
        lambda f: (f / CONFIG_FILE).write_bytes(b"\xff\xfe"),
        "config.json cannot be read",
    ),
    "config is nested too deep": (
        lambda f: (f / CONFIG_FILE).write_text("[" * 100_000),
        "config.json cannot be read",
    ),
    "size is a word": (lambda f: reconfigured(f, vocab_size="many"), "config.json cannot be read"),
    "size is infinite": (lambda f: reconfigured(f, vocab_size=float("inf")), "config.json cannot be read"),
    "no heads": (
        lambda f: reconfigured(f, num_attention_heads=0, head_dim=None),
        "config.json cannot be read",
    ),
    "other architecture": (lambda f: reconfigured(f, model_type="gpt2"), "only the llama architecture"),
    "scaled positions": (
        lambda f: reconfigured(f, rope_scaling={"type": "linear", "factor": 2.0}),
        "scaled rotary embeddings are not read",
    ),
    "empty weights": (lambda f: truncate(f, 0.0), "model.safetensors cannot be read"),
    "half the weights": (lambda f: truncate(f, 0.5), "model.safetensors cannot be read"),
    "one per cent short": (lambda f: truncate(f, 0.99), "model.safetensors cannot be read"),
    "NaN": (lambda f: spoil(f, float("nan")), r"model\.norm\.weight holds NaN or infinite"),
    "infinity": (lambda f: spoil(f, float("-inf")), r"model\.norm\.weight holds NaN or infinite"),
    "infinite in float32": (lambda f: spoil(f, 1e300, torch.float64), "holds NaN or infinite"),
    "missing tensor": (
        lambda f: reweighted(f, lambda w: w.pop("model.norm.weight")),
        "does not fit its config.json",
    ),
    "further tensor": (
        lambda f: reweighted(f, lambda w: w.update(more=torch.zeros(1))),
        "does not fit its config.json",
    ),
    "wrong shape": (
        lambda f: reweighted(f, lambda w: w.update({"lm_head.weight": torch.zeros(12, 24)})),
        "does not fit its config.json",
    ),
    "shape of another config": (lambda f: reconfigured(f, hidden_size=32), "does not fit its config.json"),
    "tied, without embeddings": (
        tie_without_embeddings,
        "does not fit its config.json",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_folder_is_refused_with_a_sentence_that_names_the_file(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "policy"
    save_policy(tiny_policy(), folder)
    apply, reason = DAMAGES[damage]
    apply(folder)
    with pytest.raises(PolicyFileError, match=reason) as caught:
        load_policy(folder)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("pack", ["pickle", "torch"])
def test_pickle_in_disguise_is_refused_and_never_run(tmp_path: Path, pack: str) -> None:
    folder, mark = tmp_path / "policy", tmp_path / "ran"
    save_policy(tiny_policy(), folder)
    if pack == "pickle":
        (folder / WEIGHTS_FILE).write_bytes(pickle.dumps(Marker(mark)))
    else:
        torch.save({"model.norm.weight": Marker(mark)}, folder / WEIGHTS_FILE)
    with pytest.raises(PolicyFileError, match=r"model\.safetensors cannot be read"):
        load_policy(folder)
    assert not mark.exists()


def test_pickled_weights_beside_missing_ones_are_not_taken(tmp_path: Path) -> None:
    save_policy(tiny_policy(), tmp_path)
    torch.save(load_file(tmp_path / WEIGHTS_FILE), tmp_path / "pytorch_model.bin")
    (tmp_path / WEIGHTS_FILE).unlink()
    with pytest.raises(PolicyFileError, match=r"model\.safetensors cannot be read"):
        load_policy(tmp_path)
