"""The shapes that a pre-trained policy may have: ours to read and to score, whoever chose them.

Owns the limits. They bound what a score costs, and what a policy could remember.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from environments.base import InvalidPolicy
from environments.language_model.tales import MARKER, VOCABULARY

if TYPE_CHECKING:
    from evaluators.policy import PolicyConfig

MOST_PARAMETERS = 250_000
MOST_LAYERS = 16
MOST_HEADS = 16
LARGEST_ROPE = 1e7


def config_of(
    *,
    width: int,
    layers: int,
    heads: int,
    feed_forward: int,
    key_heads: int | None = None,
    tied: bool = False,
    rope: float = 10_000.0,
) -> PolicyConfig:
    """A decoder over the alphabet.

    Raises:
        InvalidPolicy: the shape is beyond the limits, or no shape at all.
    """
    from evaluators.policy import PolicyConfig

    if heads < 1 or width % heads:
        raise InvalidPolicy(f"A width of {width} cannot be divided among {heads} heads.")
    config = PolicyConfig(
        vocab_size=VOCABULARY,
        hidden_size=width,
        intermediate_size=feed_forward,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=key_heads or heads,
        head_dim=width // heads,
        rope_theta=rope,
        rms_norm_eps=1e-5,
        tie_word_embeddings=tied,
        bos_token_id=MARKER,
        eos_token_id=MARKER,
        pad_token_id=MARKER,
    )
    require_shape(config)
    return config


def parameters_of(config: PolicyConfig) -> int:
    """Numbers in the weights."""
    width, inner = config.hidden_size, config.num_attention_heads * config.head_dim
    keys = config.num_key_value_heads * config.head_dim
    layer = width * (2 * inner + 2 * keys + 3 * config.intermediate_size + 2)
    tables = 1 if config.tie_word_embeddings else 2
    return config.num_hidden_layers * layer + width + tables * width * config.vocab_size


def require_shape(config: PolicyConfig) -> None:
    """Refuse a shape that is beyond the limits, before anything of its size is made.

    Raises:
        InvalidPolicy: names the limit.
    """
    sizes = {
        "width": config.hidden_size,
        "feed-forward width": config.intermediate_size,
        "number of layers": config.num_hidden_layers,
        "number of heads": config.num_attention_heads,
        "number of key heads": config.num_key_value_heads,
        "width of a head": config.head_dim,
    }
    for name, size in sizes.items():
        if size < 1:
            raise InvalidPolicy(f"The {name} is {size}: it must be 1 or more.")
    if config.vocab_size != VOCABULARY:
        raise InvalidPolicy(f"The policy has {config.vocab_size} tokens, the alphabet has {VOCABULARY}.")
    if config.num_hidden_layers > MOST_LAYERS or config.num_attention_heads > MOST_HEADS:
        raise InvalidPolicy(
            f"{config.num_hidden_layers} layers of {config.num_attention_heads} heads are too many: at most "
            f"{MOST_LAYERS} layers of {MOST_HEADS} heads are scored."
        )
    if config.num_attention_heads % config.num_key_value_heads or config.head_dim % 2:
        raise InvalidPolicy("Key heads must divide the heads, and the width of a head must be even.")
    if not 1.0 <= config.rope_theta <= LARGEST_ROPE or not 0.0 < config.rms_norm_eps <= 1.0:
        raise InvalidPolicy(f"The rotary base must be 1 to {LARGEST_ROPE:g}, epsilon above 0 and at most 1.")
    if parameters_of(config) > MOST_PARAMETERS:
        raise InvalidPolicy(
            f"The policy has {parameters_of(config):,} parameters: at most {MOST_PARAMETERS:,} are scored."
        )
