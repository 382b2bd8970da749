"""Tiny Hugging Face folders of architectures that the policy in plain torch does not read."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

TEMPLATE = (
    "{% for message in messages %}<user>{{ message['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<bot>{% endif %}"
)
WORDS = ["<pad>", "<eos>", "<end>", "<user>", "<bot>", *sorted(pre_tokenizers.ByteLevel.alphabet())]


def make(folder: Path, kind: str = "qwen2") -> Path:
    """A random GPT-2 or Qwen2 with byte tokens, a chat template and two end tokens."""
    tokenizer = Tokenizer(models.BPE({word: index for index, word in enumerate(WORDS)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<eos>",
        pad_token="<pad>",
        additional_special_tokens=["<end>", "<user>", "<bot>"],
    )
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    ids = {"bos_token_id": 1, "eos_token_id": 1, "pad_token_id": 0}
    if kind == "gpt2":
        model = GPT2LMHeadModel(
            GPT2Config(vocab_size=len(WORDS), n_positions=256, n_embd=32, n_layer=2, n_head=2, **ids)
        )
    else:
        model = Qwen2ForCausalLM(
            Qwen2Config(
                vocab_size=len(WORDS),
                hidden_size=32,
                intermediate_size=64,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
                tie_word_embeddings=True,
                **ids,
            )
        )
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, mean=float(parameter.ndim == 1), std=0.3)
    model.generation_config.eos_token_id = [1, 2]
    model.save_pretrained(folder)
    return folder
