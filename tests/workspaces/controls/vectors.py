"""The controls of the templates by name, and minibatches and groups of the vectors to try them on."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import strategies as st
from torch import Tensor

from tests.vectors.read import tensor
from tests.vectors.read import vector as read_vector

TEMPLATES = Path(__file__).parents[3] / "workspaces" / "templates"


LOSSES = (
    "ppo_clip.PpoClip",
    "dual_clip.DualClip",
    "clip_higher.ClipHigher",
    "clip_cov.ClipCov",
    "kl_cov.KlCov",
    "gppo.Gppo",
    "ce_gppo.CeGppo",
    "cispo.Cispo",
    "cispo_absolute.CispoAbsolute",
    "gspo.Gspo",
    "dr_grpo_loss.DrGrpoLoss",
    "forking_tokens.ForkingTokens",
    "forking_tokens_threshold.ForkingTokensThreshold",
)


TERMS = (
    "entropy_bonus.EntropyBonus",
    "adaptive_entropy_bonus.AdaptiveEntropyBonus",
    "anchored_selective_entropy.AnchoredSelectiveEntropy",
    "kl_to_start.KlToStart",
)


Control = Callable[..., Any]


def forget_controls() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "controls"]:
        del sys.modules[name]


def vector(name: str) -> tuple[dict[str, Any], dict[str, Any], float]:
    return read_vector(f"entropy/{name}")


def batch_of(inputs: dict[str, Any], **changes: Any) -> Any:
    """The minibatch of a vector; its log-probabilities and entropies are leaves."""
    logprobs = tensor(inputs["log_probs"]).requires_grad_()
    advantages = tensor(inputs.get("advantages", [0.0] * len(logprobs)))
    vocabulary = torch.linspace(-1.0, 1.0, 5, dtype=torch.float64) * logprobs.detach()[..., None]
    fields = {
        "logprobs": logprobs,
        "old_logprobs": tensor(inputs.get("old_log_probs", inputs["log_probs"])),
        "reference_logprobs": tensor(inputs["ref_log_probs"]) if "ref_log_probs" in inputs else None,
        "advantages": advantages if advantages.ndim == 2 else advantages[:, None].expand_as(logprobs),
        "entropies": tensor(inputs.get("entropy", inputs["log_probs"])).requires_grad_(),
        "mask": tensor(inputs["mask"]).bool(),
        "distribution": torch.log_softmax(vocabulary, dim=-1).requires_grad_(),
        "max_tokens": inputs.get("max_completion_length", 16),
    }
    return importlib.import_module("controls.batch").Batch(**{**fields, **changes})


def group_of(rewards: Tensor, **changes: Any) -> Any:
    """A rollout of these rewards [prompts, samples], one token a sample unless told otherwise."""
    nothing = torch.zeros(*rewards.shape, 1, dtype=torch.float64)
    fields = {
        "rewards": rewards,
        "logprobs": nothing,
        "entropies": nothing,
        "mask": torch.ones_like(nothing).bool(),
        "max_tokens": 16,
    }
    return importlib.import_module("controls.batch").Group(**{**fields, **changes})


def assert_matches(loss: Tensor, gradient: Tensor | None, expected: dict[str, Any], tolerance: float) -> None:
    assert float(loss.detach()) == pytest.approx(expected["loss"], abs=tolerance)
    torch.testing.assert_close(gradient, tensor(expected["grad_log_probs"]), atol=tolerance, rtol=0)


def without_penalty(control: Control, name: str) -> Any:
    """KL-Cov's penalty is no matter of the advantage: it stays where all rewards are equal."""
    return control(name, coefficient=0.0) if name == "kl_cov.KlCov" else control(name)


FINITE = st.floats(-3, 3)


@st.composite
def minibatches(draw: st.DrawFn) -> dict[str, Any]:
    """Any batch: ragged, with fully masked rows, on-policy or not, one advantage a row."""
    rows, length = draw(st.integers(1, 5)), draw(st.integers(1, 6))

    def tokens(values: st.SearchStrategy[Any]) -> list[list[Any]]:
        return draw(
            st.lists(st.lists(values, min_size=length, max_size=length), min_size=rows, max_size=rows)
        )

    lengths = [draw(st.integers(0, length)) for _ in range(rows)]
    new = tokens(st.floats(-6, -0.01))
    moved = draw(st.booleans())
    return {
        "log_probs": new,
        "old_log_probs": tokens(st.floats(-6, -0.01)) if moved else new,
        "ref_log_probs": tokens(st.floats(-6, -0.01)),
        "advantages": [draw(FINITE) for _ in range(rows)],
        "entropy": tokens(st.floats(0, 3)),
        "mask": [[float(at < n) for at in range(length)] for n in lengths],
    }
