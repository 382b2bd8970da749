"""Any other causal language model: a Hugging Face folder through transformers, behind the policy's interface.

Owns what a folder must hold, prompts by chat template, and the model; sampling is in `evaluators.sampling`.
Weights are safetensors, never pickle; code that lies beside them is never run.
"""

from __future__ import annotations

import inspect
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_model, save_model
from tokenizers import Encoding, Tokenizer
from torch import Tensor, nn

from evaluators.policy import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    Policy,
    PolicyConfig,
    PolicyFileError,
    load_policy,
    save_policy,
)

INDEX_FILE = "model.safetensors.index.json"
GENERATION_FILE = "generation_config.json"
TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "vocab.txt", "tokenizer.model", "spiece.model")
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


@dataclass(frozen=True)
class TokenIds:
    """The tokens that end a completion, and the one that fills rows up."""

    eos_token_ids: tuple[int, ...]
    pad_token_id: int


class HuggingFacePolicy(Policy):
    """A causal model of transformers that answers as `Policy` does: one sampler and one recipe serve both."""

    def __init__(self, model: nn.Module, config: TokenIds) -> None:
        nn.Module.__init__(self)
        self.model: Any = model
        self.config: Any = config
        self._takes = inspect.signature(model.forward).parameters

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def forward(
        self,
        tokens: Tensor,
        *,
        keep: int | None = None,
        positions: Tensor | None = None,
        mask: Tensor | None = None,
        cache: Any = None,
    ) -> Tensor:
        """As `Policy.forward`; of the mask only the last row is used: which tokens are no padding."""
        past = cache.get_seq_length() if cache is not None else 0
        visible = torch.ones(len(tokens), past + tokens.shape[1], dtype=torch.long, device=tokens.device)
        if mask is not None:
            visible = mask[:, 0, -1].long()
        given: dict[str, Any] = {"input_ids": tokens, "attention_mask": visible, "use_cache": False}
        if cache is not None:
            given |= {"cache" if "cache" in self._takes else "past_key_values": cache, "use_cache": True}
        if positions is not None and "position_ids" in self._takes:
            given["position_ids"] = positions
        if keep is not None and "logits_to_keep" in self._takes:
            given["logits_to_keep"] = keep
        logits: Tensor = self.model(**given).logits
        return logits if keep is None else logits[:, -keep:]

    def new_cache(self, capacity: int) -> Any:
        from transformers import DynamicCache

        return DynamicCache(config=self.model.config)

    def repeat_cache(self, cache: Any, times: int) -> None:
        cache.batch_repeat_interleave(times)

    def row_bytes(self, length: int) -> int:
        shape: Any = self.model.config.get_text_config()
        heads: int = getattr(shape, "num_key_value_heads", None) or shape.num_attention_heads
        width: int = getattr(shape, "head_dim", None) or shape.hidden_size // shape.num_attention_heads
        return 4 * (4 * int(shape.vocab_size) + 2 * length * int(shape.num_hidden_layers) * heads * width)


class ChatTokenizer:
    """A tokenizer that shows a model each prompt as its chat template does: as what the user says."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._fast: Tokenizer = tokenizer.backend_tokenizer
        self._fast.no_padding()
        self._fast.no_truncation()

    def encode_batch(self, prompts: list[str]) -> list[Encoding]:
        if not self._tokenizer.chat_template:
            return self._fast.encode_batch(prompts)
        said = [[{"role": "user", "content": prompt}] for prompt in prompts]
        shown = self._tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
        return self._fast.encode_batch(shown, add_special_tokens=False)

    def decode_batch(self, rows: list[list[int]]) -> list[str]:
        return self._fast.decode_batch(rows)


def is_plain(folder: Path) -> bool:
    """Whether the policy in plain torch reads this folder: a Llama with one end token."""
    try:
        config = PolicyConfig.read(folder)
    except PolicyFileError:
        return False
    end = config.eos_token_id
    return bool(_generation(folder).get("eos_token_id", end) == end)


def needs_transformers(folder: Path) -> bool:
    """Whether its tokenizer has a chat template, or is in a form that transformers converts."""
    if (folder / "chat_template.jinja").exists():
        return True
    if not (folder / TOKENIZER_FILES[0]).exists():
        return any((folder / name).exists() for name in TOKENIZER_FILES)
    return bool(_json(folder / "tokenizer_config.json").get("chat_template"))


def find_policy(name: str) -> Path:
    """The folder of a policy: a path, or the name of a model in the Hugging Face cache on this disk.

    Raises:
        PolicyFileError: there is none, or what is there cannot be a policy; the message says why.
    """
    folder = Path(name).expanduser()
    if not folder.is_dir():
        if folder.exists():
            raise PolicyFileError(f"{folder} is a file: name the folder that holds {CONFIG_FILE}.")
        folder = _cached(name)
    _check(folder)
    return folder.resolve() if not _linked(folder) else _without_links(folder, name)


def weights_count(folder: Path) -> int:
    """Numbers in all safetensors files, from their headers."""
    total = 0
    for path in folder.glob("*.safetensors"):
        with safe_open(path, "pt") as file:
            for key in file.keys():  # noqa: SIM118 - not a mapping
                size = 1
                for extent in file.get_slice(key).get_shape():
                    size *= extent
                total += size
    return total


def load_chat_tokenizer(folder: Path) -> ChatTokenizer:
    """Raises PolicyFileError: transformers cannot read it."""
    from transformers import AutoTokenizer

    try:
        return ChatTokenizer(
            AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        )
    except Exception as error:
        raise PolicyFileError(f"The tokenizer in {folder} cannot be read: {_first_line(error)}") from error


def open_policy(start: Path, device: str | torch.device = "cpu", trained: Path | None = None) -> Policy:
    """The policy of a folder in float32; with `trained`, with the weights that a training of it wrote there.

    Raises:
        PolicyFileError: files missing, damaged, of another shape, or with NaN or infinite weights.
    """
    if not is_plain(start):
        return _load(start, device, trained)
    if trained is not None and PolicyConfig.read(trained) != PolicyConfig.read(start):
        raise PolicyFileError(f"{trained} holds a policy of another shape than the starting policy")
    return load_policy(trained or start, device)


def write_policy(policy: Policy, folder: Path) -> None:
    """Write config.json and model.safetensors, which transformers reads."""
    if isinstance(policy, HuggingFacePolicy):
        folder.mkdir(parents=True, exist_ok=True)
        model: Any = policy.model
        model.config.save_pretrained(folder)
        save_model(model, str(folder / WEIGHTS_FILE), metadata={"format": "pt"})
    else:
        save_policy(policy, folder)


def _load(folder: Path, device: str | torch.device, weights: Path | None) -> HuggingFacePolicy:
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder, trust_remote_code=False, use_safetensors=True, local_files_only=True, dtype=torch.float32
        )
    except Exception as error:
        raise PolicyFileError(f"{folder} cannot be loaded: {_first_line(error)}") from error
    if weights is not None:
        try:
            load_model(model, weights / WEIGHTS_FILE)
        except (OSError, SafetensorError, RuntimeError, KeyError, ValueError) as error:
            raise PolicyFileError(
                f"{weights / WEIGHTS_FILE} does not fit the starting policy: {_first_line(error)}"
            ) from error
    for name, weight in model.state_dict().items():
        if weight.is_floating_point() and not torch.isfinite(weight).all():
            raise PolicyFileError(f"{weights or folder}: {name} holds NaN or infinite weights")
    return HuggingFacePolicy(model, token_ids(folder)).to(device).eval()


def token_ids(folder: Path) -> TokenIds:
    """By generation_config.json, else config.json.

    Raises:
        PolicyFileError: no token ends a completion.
    """
    generation, config = _generation(folder), _json(folder / CONFIG_FILE)
    ends = generation.get("eos_token_id", config.get("eos_token_id"))
    if ends is None:
        raise PolicyFileError(f"{folder / CONFIG_FILE} names no eos_token_id: no completion would end.")
    ids = tuple(int(end) for end in (ends if isinstance(ends, list) else [ends]))
    pad = generation.get("pad_token_id", config.get("pad_token_id"))
    return TokenIds(ids, int(pad) if isinstance(pad, int) and pad >= 0 else ids[0])


def _check(folder: Path) -> None:
    if not (folder / CONFIG_FILE).is_file():
        raise PolicyFileError(f"{folder} has no {CONFIG_FILE}: it is no Hugging Face model.")
    if not list(folder.glob("*.safetensors")):
        pickled = sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
        if pickled:
            raise PolicyFileError(
                f"{folder} holds pickled weights ({pickled[0]}), which run code when they are loaded: save "
                "the model as safetensors, by model.save_pretrained(FOLDER)."
            )
        raise PolicyFileError(f"{folder} has no weights: {WEIGHTS_FILE} or {INDEX_FILE} with its parts.")
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise PolicyFileError(
            f"{folder} has no tokenizer: save it there too, by tokenizer.save_pretrained(FOLDER)."
        )
    config = _json(folder / CONFIG_FILE)
    if not is_plain(folder) or needs_transformers(folder):
        _check_architecture(folder, config)
    token_ids(folder)


def _check_architecture(folder: Path, config: dict[str, Any]) -> None:
    try:
        from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as KNOWN
    except ImportError as error:
        raise PolicyFileError(
            f"{folder} needs the transformers package: pip install 'szilard[policies]'."
        ) from error
    kind = config.get("model_type")
    if kind not in KNOWN:
        beside = "; code that lies beside a model is never run" if "auto_map" in config else ""
        raise PolicyFileError(
            f"{folder / CONFIG_FILE}: transformers knows no causal language model of type {kind!r}{beside}."
        )


def _cached(name: str) -> Path:
    """The newest snapshot of a model in the Hugging Face cache; nothing is downloaded."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except (HFValidationError, LocalEntryNotFoundError) as error:
        raise PolicyFileError(
            f"{name!r} is no folder, and no model of that name is in the Hugging Face cache on this disk. "
            "Szilard downloads nothing: fetch it first, by `hf download NAME`, or name a folder."
        ) from error


def _linked(folder: Path) -> bool:
    return any(path.is_symlink() for path in folder.iterdir())


def _without_links(folder: Path, name: str) -> Path:
    """A folder with the same files and no links, which lead nowhere inside a sandbox."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    made = cache / "szilard" / "policies" / f"{name.strip('/').replace('/', '--')}-{folder.name}"
    if made.is_dir():
        return made
    temporary = made.with_name(f"{made.name}.{os.getpid()}")
    temporary.mkdir(parents=True)
    for path in folder.iterdir():
        if path.is_file():
            try:
                os.link(path.resolve(), temporary / path.name)
            except OSError:
                shutil.copyfile(path, temporary / path.name)
    try:
        temporary.rename(made)
    except OSError:
        shutil.rmtree(temporary)
    return made


def _generation(folder: Path) -> dict[str, Any]:
    return _json(folder / GENERATION_FILE) if (folder / GENERATION_FILE).exists() else {}


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise PolicyFileError(f"{path} cannot be read: {_first_line(error)}") from error
    if not isinstance(found, dict):
        raise PolicyFileError(f"{path} holds no JSON object.")
    return found


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
