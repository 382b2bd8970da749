"""The policy: a Llama-architecture decoder in plain torch, read from and written to a Hugging Face folder.

Owns architecture, key-value cache and files (config.json + model.safetensors, never pickle). The
state dict has Hugging Face's names, so `AutoModelForCausalLM.from_pretrained` loads the same folder;
importing transformers would cost a training process as much as a tenth of an attempt.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
READ_TYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)


class PolicyFileError(ValueError):
    """A folder that holds no readable policy of the expected shape; the message says why."""


@dataclass(frozen=True)
class PolicyConfig:
    """Shape of a Llama decoder, as in Hugging Face's config.json."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    rope_theta: float
    rms_norm_eps: float
    tie_word_embeddings: bool
    bos_token_id: int | None
    eos_token_id: int
    pad_token_id: int

    @property
    def eos_token_ids(self) -> tuple[int, ...]:
        return (self.eos_token_id,)

    @classmethod
    def read(cls, folder: Path) -> PolicyConfig:
        """Read config.json.

        Raises:
            PolicyFileError: it is missing, damaged, or not a plain Llama configuration.
        """
        try:
            raw: dict[str, Any] = json.loads((folder / CONFIG_FILE).read_text())
            if raw.get("model_type") != "llama" or raw.get("hidden_act", "silu") != "silu":
                raise PolicyFileError(f"{folder / CONFIG_FILE}: only the llama architecture is read")
            rope = raw.get("rope_parameters") or {}
            if rope.get("rope_type", "default") != "default" or raw.get("rope_scaling"):
                raise PolicyFileError(f"{folder / CONFIG_FILE}: scaled rotary embeddings are not read")
            heads = int(raw["num_attention_heads"])
            eos = raw["eos_token_id"]
            return cls(
                vocab_size=int(raw["vocab_size"]),
                hidden_size=int(raw["hidden_size"]),
                intermediate_size=int(raw["intermediate_size"]),
                num_hidden_layers=int(raw["num_hidden_layers"]),
                num_attention_heads=heads,
                num_key_value_heads=int(raw.get("num_key_value_heads") or heads),
                head_dim=int(raw.get("head_dim") or int(raw["hidden_size"]) // heads),
                rope_theta=float(rope.get("rope_theta", raw.get("rope_theta", 10000.0))),
                rms_norm_eps=float(raw.get("rms_norm_eps", 1e-6)),
                tie_word_embeddings=bool(raw.get("tie_word_embeddings", False)),
                bos_token_id=raw.get("bos_token_id"),
                eos_token_id=int(eos[0] if isinstance(eos, list) else eos),
                pad_token_id=int(raw["pad_token_id"] if raw.get("pad_token_id") is not None else 0),
            )
        except PolicyFileError:
            raise
        except (
            OSError,
            LookupError,
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            ArithmeticError,
            RecursionError,
        ) as error:
            raise PolicyFileError(f"{folder / CONFIG_FILE} cannot be read: {error!r}") from error

    def write(self, folder: Path) -> None:
        raw = {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_act": "silu",
            "attention_bias": False,
            "mlp_bias": False,
            "max_position_embeddings": 2048,
            "torch_dtype": "float32",
            **{name: value for name, value in vars(self).items() if name != "rope_theta"},
            "rope_theta": self.rope_theta,
        }
        (folder / CONFIG_FILE).write_text(json.dumps(raw, indent=2) + "\n")


class Attention(nn.Module):
    """Causal self-attention with rotary positions and grouped keys (2104.09864, 2305.13245)."""

    def __init__(self, config: PolicyConfig) -> None:
        super().__init__()
        self.heads = config.num_attention_heads
        self.key_heads = config.num_key_value_heads
        self.head_dim = config.head_dim
        self.q_proj = nn.Linear(config.hidden_size, self.heads * self.head_dim, bias=False)
        self.k_proj = nn.Linear(config.hidden_size, self.key_heads * self.head_dim, bias=False)
        self.v_proj = nn.Linear(config.hidden_size, self.key_heads * self.head_dim, bias=False)
        self.o_proj = nn.Linear(self.heads * self.head_dim, config.hidden_size, bias=False)

    def forward(
        self, x: Tensor, rotation: tuple[Tensor, Tensor], mask: Tensor | None, cache: LayerCache | None
    ) -> Tensor:
        rows, length, _ = x.shape
        weight = torch.cat((self.q_proj.weight, self.k_proj.weight, self.v_proj.weight))
        heads = functional.linear(x, weight).view(rows, length, -1, self.head_dim).transpose(1, 2)
        turned = rotate(heads[:, : self.heads + self.key_heads], rotation)
        q, k = turned[:, : self.heads], turned[:, self.heads :]
        v = heads[:, self.heads + self.key_heads :]
        if cache is not None:
            k, v = cache.extend(k, v)
        if self.key_heads != self.heads:
            k = k.repeat_interleave(self.heads // self.key_heads, dim=1)
            v = v.repeat_interleave(self.heads // self.key_heads, dim=1)
        causal = mask is None and length > 1
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)
        return self.o_proj(mixed.transpose(1, 2).reshape(rows, length, -1))  # type: ignore[no-any-return]


class FeedForward(nn.Module):
    """SwiGLU (2002.05202)."""

    def __init__(self, config: PolicyConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        both = functional.linear(x, torch.cat((self.gate_proj.weight, self.up_proj.weight)))
        gate, up = both.chunk(2, dim=-1)
        return self.down_proj(functional.silu(gate) * up)  # type: ignore[no-any-return]


class Layer(nn.Module):
    def __init__(self, config: PolicyConfig) -> None:
        super().__init__()
        self.input_layernorm = nn.RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = nn.RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.mlp = FeedForward(config)

    def forward(
        self, x: Tensor, rotation: tuple[Tensor, Tensor], mask: Tensor | None, cache: LayerCache | None
    ) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), rotation, mask, cache)
        return x + self.mlp(self.post_attention_layernorm(x))  # type: ignore[no-any-return]


class Trunk(nn.Module):
    def __init__(self, config: PolicyConfig) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))
        self.norm = nn.RMSNorm(config.hidden_size, eps=config.rms_norm_eps)


class LayerCache:
    """Keys and values of one layer, [rows, heads, capacity, head_dim], filled from the left."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.length = 0
        self.keys: Tensor | None = None
        self.values: Tensor | None = None

    def extend(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        if self.keys is None or self.values is None:
            rows, heads, _, width = k.shape
            self.keys = k.new_empty(rows, heads, self.capacity, width)
            self.values = v.new_empty(rows, heads, self.capacity, width)
        end = self.length + k.shape[2]
        self.keys[:, :, self.length : end] = k
        self.values[:, :, self.length : end] = v
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def repeat_rows(self, times: int) -> None:
        if self.keys is not None and self.values is not None:
            self.keys = self.keys.repeat_interleave(times, dim=0)
            self.values = self.values.repeat_interleave(times, dim=0)


class Policy(nn.Module):
    """A causal language model: token ids [rows, length] -> logits [rows, kept, vocab]."""

    def __init__(self, config: PolicyConfig) -> None:
        super().__init__()
        self.config = config
        self.model = Trunk(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        if config.tie_word_embeddings:
            self.lm_head.weight = self.model.embed_tokens.weight
        frequencies = config.rope_theta ** (-torch.arange(0, config.head_dim, 2).float() / config.head_dim)
        self.register_buffer("frequencies", frequencies, persistent=False)

    @property
    def device(self) -> torch.device:
        return self.lm_head.weight.device

    def forward(
        self,
        tokens: Tensor,
        *,
        keep: int | None = None,
        positions: Tensor | None = None,
        mask: Tensor | None = None,
        cache: list[LayerCache] | None = None,
    ) -> Tensor:
        """Logits of the last `keep` positions (all when None).

        Args:
            tokens: [rows, length] ids.
            positions: [rows, length], for left-padded rows; counted from the cache's length when None.
            mask: boolean, True = may attend, broadcast to [rows, heads, length, cached + length];
                None means causal without padding.
            cache: one a layer; extended in place.
        """
        if positions is None:
            start = cache[0].length if cache else 0
            positions = torch.arange(start, start + tokens.shape[1], device=tokens.device)[None]
        angles = positions[..., None].float() * self.frequencies  # type: ignore[operator]
        angles = torch.cat((angles, angles), dim=-1)[:, None]
        rotation = (angles.cos(), angles.sin())
        x = self.model.embed_tokens(tokens)
        for index, layer in enumerate(self.model.layers):
            x = layer(x, rotation, mask, cache[index] if cache else None)
        x = self.model.norm(x if keep is None else x[:, -keep:])
        return self.lm_head(x)  # type: ignore[no-any-return]

    def new_cache(self, capacity: int) -> list[LayerCache]:
        return [LayerCache(capacity) for _ in self.model.layers]

    def repeat_cache(self, cache: list[LayerCache], times: int) -> None:
        """Each row `times` times in place: one prompt serves all of its samples."""
        for layer in cache:
            layer.repeat_rows(times)

    def row_bytes(self, length: int) -> int:
        """Memory that sampling one row of so many tokens takes, about: logits and cache."""
        config = self.config
        cached = 2 * length * config.num_hidden_layers * config.num_key_value_heads * config.head_dim
        return 4 * (4 * config.vocab_size + cached)


def rotate(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Rotary position embedding, half-split as in Llama (2104.09864, eq. 34)."""
    cos, sin = rotation
    left, right = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-right, left), dim=-1) * sin


def load_policy(folder: Path, device: str | torch.device = "cpu") -> Policy:
    """Read a policy folder in float32, in training mode off.

    Raises:
        PolicyFileError: files missing, damaged, of another shape, or with NaN or infinite weights.
    """
    config = PolicyConfig.read(folder)
    policy = Policy(config)
    try:
        stored = load_file(folder / WEIGHTS_FILE)
    except (OSError, SafetensorError, KeyError) as error:
        raise PolicyFileError(f"{folder / WEIGHTS_FILE} cannot be read: {error}") from error
    for name, weight in stored.items():
        if weight.dtype not in READ_TYPES:
            raise PolicyFileError(
                f"{folder / WEIGHTS_FILE}: {name} is of type {weight.dtype}, which is not read"
            )
    weights = {name: weight.float() for name, weight in stored.items()}
    if config.tie_word_embeddings and "model.embed_tokens.weight" in weights:
        weights.setdefault("lm_head.weight", weights["model.embed_tokens.weight"])
    for name, weight in weights.items():
        if not torch.isfinite(weight).all():
            raise PolicyFileError(f"{folder / WEIGHTS_FILE}: {name} holds NaN or infinite weights")
    try:
        policy.load_state_dict(weights)
    except RuntimeError as error:
        raise PolicyFileError(f"{folder / WEIGHTS_FILE} does not fit its config.json: {error}") from error
    return policy.to(device).eval()


def save_policy(policy: Policy, folder: Path) -> None:
    """Write config.json and model.safetensors; loads in transformers as LlamaForCausalLM."""
    folder.mkdir(parents=True, exist_ok=True)
    policy.config.write(folder)
    weights = {name: weight.detach().cpu().contiguous() for name, weight in policy.state_dict().items()}
    if policy.config.tie_word_embeddings:
        del weights["lm_head.weight"]
    save_file(weights, folder / WEIGHTS_FILE, metadata={"format": "pt"})
