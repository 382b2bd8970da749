"""Protected. What a training may not decide: text, budget, largest shape, trace, output.

train.py opens one Session. Every token that passes through the policy with a gradient is charged, and every
update; going over the budget ends the attempt.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from environments.base import Split
from environments.language_model.shape import config_of
from environments.language_model.tales import PASSAGE, ids_of, stream
from evaluators.idle_compiler import IDLE_COMPILER
from evaluators.policy import Policy, save_policy

IDLE_COMPILER.stand_in()

ROOT = Path(os.environ.get("SZILARD_ROOT") or "/")


class BudgetExceeded(RuntimeError):
    """The training asked for more tokens or updates than the baseline may spend."""


class Session:
    """One training process: its text, its budget and its output."""

    def __init__(self) -> None:
        job = json.loads((ROOT / "data" / "job.json").read_text())
        self.seed: int = job["seed"]
        self.device = torch.device(job["device"])
        self.tokens_left: int = job["budget"]["tokens"]
        self.updates_left: int = job["budget"]["updates"]
        self._passages = self._read_on()
        self._started = time.monotonic()
        self._trace = (ROOT / "out" / "trace.jsonl").open("w", buffering=1)
        torch.set_num_threads(1)
        torch.set_deterministic_debug_mode("error")
        torch.manual_seed(self.seed)
        random.seed(self.seed)

    def new_policy(self, **shape: Any) -> Policy:
        """A decoder with the shape of `config_of`, its weights as torch makes them; its tokens are charged.

        Raises:
            InvalidPolicy: the shape is larger than what is scored, or no shape at all.
        """
        policy = Policy(config_of(**shape)).to(self.device)
        policy.register_forward_pre_hook(self._charge)
        return policy

    def read(self, rows: int, length: int = PASSAGE) -> tuple[Tensor, Tensor]:
        """The next passages of training text: inputs and targets, each [rows, length] ids.

        A passage begins with the marker and is cut to `length`, at most PASSAGE.
        """
        taken = b"".join(next(self._passages)[: length + 1] for _ in range(rows))
        ids = torch.frombuffer(bytearray(taken), dtype=torch.uint8).view(rows, -1).long().to(self.device)
        return ids[:, :-1], ids[:, 1:]

    def affords(self, tokens: int) -> bool:
        """Whether so many tokens are still within the budget, and an update."""
        return tokens <= self.tokens_left and self.updates_left > 0

    def update(self, optimiser: torch.optim.Optimizer) -> None:
        """One optimiser step, charged.

        Raises:
            BudgetExceeded: none is left.
        """
        self.updates_left -= 1
        if self.updates_left < 0:
            raise BudgetExceeded("optimiser updates are used up: train for fewer steps")
        optimiser.step()

    def record(self, step: int, bits: float, entropies: Tensor, **notes: Any) -> None:
        """One row of the trace, flushed: advisory, it feeds diagnostics and never a decision.

        `bits` a byte of the batch, `entropies` of its next-byte distributions in nats, any shape.
        """
        shares = torch.tensor([0.1, 0.5, 0.9], device=entropies.device)
        row = {
            "step": step,
            "seconds": round(time.monotonic() - self._started, 3),
            "tokens": entropies.numel(),
            "tokens_left": self.tokens_left,
            "reward_mean": -bits,
            "entropy_mean": float(entropies.mean()),
            "entropy_quantiles": torch.quantile(entropies.flatten(), shares).tolist(),
            **notes,
        }
        self._trace.write(json.dumps(row) + "\n")

    def finish(self, policy: Policy) -> None:
        """Write the trained policy."""
        save_policy(policy, ROOT / "out" / "policy")
        self._trace.close()

    def _read_on(self) -> Iterator[bytes]:
        for tale in stream(Split.TRAINING, random.Random(f"train:{self.seed}")):
            yield from map(ids_of, tale.passages())

    def _charge(self, _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if torch.is_grad_enabled():
            self.tokens_left -= inputs[0].numel()
            if self.tokens_left < 0:
                raise BudgetExceeded("tokens are used up: train for fewer steps, rows or bytes a row")
