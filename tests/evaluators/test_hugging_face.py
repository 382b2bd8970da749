"""What `--policy` promises: any causal model of transformers samples and learns as the shipped one does."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from evaluators.hugging_face import (
    HuggingFacePolicy,
    find_policy,
    open_policy,
    weights_count,
    write_policy,
)
from evaluators.policy import PolicyFileError
from evaluators.sampling import encode_prompts, load_tokenizer, response_logits, sample
from tests.evaluators.a_foreign_policy import make

SHIPPED = Path(__file__).parents[2] / "environments" / "countdown" / "policy"
PROMPTS = ["What is 2 + 2?", "Why?"]


@pytest.fixture(scope="module", params=["gpt2", "qwen2"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("qwen"))


def test_sampled_logprobs_are_those_that_transformers_gives_unpadded(folder: Path) -> None:
    policy = open_policy(folder)
    assert isinstance(policy, HuggingFacePolicy)
    ids, mask = encode_prompts(load_tokenizer(folder), PROMPTS, policy.config.pad_token_id)
    drawn = sample(policy, ids, mask, samples=3, max_tokens=8, generator=torch.Generator().manual_seed(1))
    assert not bool(mask.all()), "one prompt must be padded for this test to mean anything"
    for row in range(6):
        prompt = ids[row // 3][mask[row // 3]]
        chosen = drawn.tokens[row][drawn.mask[row]]
        with torch.no_grad():
            logits = policy.model(torch.cat((prompt, chosen))[None]).logits[0, len(prompt) - 1 : -1]
        alone = torch.log_softmax(logits, dim=-1)
        torch.testing.assert_close(
            drawn.logprobs[row][drawn.mask[row]], alone.gather(1, chosen[:, None])[:, 0], atol=2e-4, rtol=1e-3
        )
        torch.testing.assert_close(
            drawn.entropies[row][drawn.mask[row]], -(alone.exp() * alone).sum(1), atol=2e-4, rtol=1e-3
        )


def test_logits_of_training_are_those_of_sampling(folder: Path) -> None:
    policy = open_policy(folder)
    ids, mask = encode_prompts(load_tokenizer(folder), PROMPTS, policy.config.pad_token_id)
    drawn = sample(policy, ids, mask, samples=2, max_tokens=6, generator=torch.Generator().manual_seed(2))
    rows = torch.arange(2).repeat_interleave(2)
    logits = response_logits(policy, ids[rows], mask[rows], drawn.tokens)
    again = torch.log_softmax(logits, dim=-1).gather(2, drawn.tokens[..., None])[..., 0]
    torch.testing.assert_close(again[drawn.mask], drawn.logprobs[drawn.mask], atol=2e-4, rtol=1e-3)


def test_a_completion_ends_at_any_end_token_of_the_generation_config(qwen: Path) -> None:
    policy = open_policy(qwen)
    ids, mask = encode_prompts(load_tokenizer(qwen), PROMPTS, 0)
    drawn = sample(policy, ids, mask, samples=256, max_tokens=24, generator=torch.Generator().manual_seed(3))
    lasts = {int(row[m][-1]) for row, m in zip(drawn.tokens, drawn.mask, strict=True) if int(m.sum()) < 24}
    assert lasts == {1, 2}


def test_prompts_go_through_the_chat_template(qwen: Path) -> None:
    ids, mask = encode_prompts(load_tokenizer(qwen), ["a", "bc"], 0)
    assert ids[0][mask[0]].tolist()[0] == 3, "<user>"
    assert ids[:, -1].tolist() == [4, 4], "<bot>"


def test_a_written_policy_is_read_again_on_top_of_the_start(folder: Path, tmp_path: Path) -> None:
    policy = open_policy(folder)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(0.01)
    write_policy(policy, tmp_path)
    again = open_policy(folder, trained=tmp_path)
    for name, weight in policy.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name]), name


def _nan(policy: Path) -> None:
    weights = load_file(policy / "model.safetensors")
    weights[min(weights)].view(-1)[0] = float("nan")
    save_file(weights, policy / "model.safetensors")


def _larger(policy: Path) -> None:
    weights = load_file(policy / "model.safetensors")
    weights["model.norm.weight"] = torch.ones(64)
    save_file(weights, policy / "model.safetensors")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_nan, "holds NaN"),
        (_larger, "does not fit the starting policy"),
        (lambda policy: (policy / "model.safetensors").unlink(), "does not fit"),
        (lambda policy: (policy / "model.safetensors").write_bytes(pickle.dumps(1)), "does not fit"),
    ],
)
def test_a_spoilt_trained_policy_is_refused(
    qwen: Path, tmp_path: Path, spoil: Callable[[Path], object], said: str
) -> None:
    write_policy(open_policy(qwen), tmp_path)
    spoil(tmp_path)
    with pytest.raises(PolicyFileError, match=said):
        open_policy(qwen, trained=tmp_path)


def _another_type(policy: Path) -> None:
    config = json.loads((policy / "config.json").read_text())
    config |= {"model_type": "unheard_of", "auto_map": {"AutoModelForCausalLM": "modeling.Model"}}
    (policy / "config.json").write_text(json.dumps(config))


def _pickled(policy: Path) -> None:
    (policy / "model.safetensors").unlink()
    (policy / "pytorch_model.bin").write_bytes(b"")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_pickled, r"pickled weights \(pytorch_model.bin\).*safetensors"),
        (lambda policy: (policy / "model.safetensors").unlink(), "has no weights: model.safetensors"),
        (lambda policy: (policy / "tokenizer.json").unlink(), "has no tokenizer"),
        (lambda policy: (policy / "config.json").unlink(), "has no config.json"),
        (lambda policy: (policy / "config.json").write_text("[]"), "holds no JSON object"),
        (_another_type, "no causal language model of type 'unheard_of'; code that lies beside"),
    ],
)
def test_a_folder_that_is_no_policy_is_refused_with_one_sentence(
    qwen: Path, tmp_path: Path, spoil: Callable[[Path], object], said: str
) -> None:
    copied = tmp_path / "policy"
    shutil.copytree(qwen, copied)
    spoil(copied)
    with pytest.raises(PolicyFileError, match=said):
        find_policy(str(copied))


def test_a_file_and_an_unknown_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "file").touch()
    with pytest.raises(PolicyFileError, match="is a file"):
        find_policy(str(tmp_path / "file"))
    with pytest.raises(PolicyFileError, match="no model of that name is in the Hugging Face cache"):
        find_policy("nobody/nothing-of-that-name")


def test_a_policy_of_links_becomes_one_of_files(
    qwen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the Hugging Face cache keeps them; a link leads nowhere inside a sandbox."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    linked = tmp_path / "snapshot"
    linked.mkdir()
    for path in qwen.iterdir():
        (linked / path.name).symlink_to(path)
    found = find_policy(str(linked))
    assert found.is_relative_to(tmp_path / "cache")
    assert not any(path.is_symlink() for path in found.iterdir())
    assert (found / "model.safetensors").read_bytes() == (qwen / "model.safetensors").read_bytes()


def test_weights_are_counted_from_their_headers(qwen: Path) -> None:
    assert weights_count(qwen) == sum(w.numel() for w in load_file(qwen / "model.safetensors").values())


def test_a_plain_llama_needs_no_transformers() -> None:
    assert type(open_policy(find_policy(str(SHIPPED)))).__name__ == "Policy"
